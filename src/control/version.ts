/*
 * Lets a command and a supervisor of different releases find out whether they are compatible. Each request and each
 * answer has the header `Zero-Protocol`. These headers never change, because all versions must be able to read them.
 */

/**
 * The version of the control protocol. It grows when a part of the previous version is deprecated or removed
 * (docs/reference/formats.md). Additions that change no meaning need no new version.
 */
export const PROTOCOL = 1;

/** The protocol had version 1 before the header existed. */
export const PROTOCOL_WITHOUT_HEADER = 1;

/** Neighbouring versions are compatible: a part is removed one version after it was deprecated. */
const MAX_DISTANCE = 1;

export const HEADER = {
  protocol: 'Zero-Protocol',
  /** The release, of the command in a request and of the supervisor in an answer. */
  version: 'Zero-Version',
  /** Of the instance, in an answer. */
  name: 'Zero-Name',
  /** Of the supervisor, in an answer. */
  pid: 'Zero-Pid',
} as const;

/** Whether two versions of the protocol are compatible. */
export function isCompatible(one: number, other: number): boolean {
  return Math.abs(one - other) <= MAX_DISTANCE;
}

/** The version in a header; null if it is not an integer of 1 or greater. */
export function parseProtocol(text: string): number | null {
  return /^[1-9]\d{0,8}$/.test(text) ? Number(text) : null;
}

/** The headers of a request. */
export function requestHeaders(version: string, protocol: number): Readonly<Record<string, string>> {
  return { [HEADER.protocol]: String(protocol), [HEADER.version]: version };
}

/** The headers of an answer. */
export function answerHeaders({ version, name, pid }: Identity): Readonly<Record<string, string>> {
  return {
    [HEADER.protocol]: String(PROTOCOL),
    [HEADER.version]: version,
    [HEADER.name]: name,
    [HEADER.pid]: String(pid),
  };
}

/** The identity of a running supervisor. */
export interface Identity {
  /** Its release. */
  readonly version: string;
  /** The name of its instance. */
  readonly name: string;
  readonly pid: number;
}
