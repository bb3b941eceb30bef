/*
 * How a command and a supervisor of different releases find out whether they understand each other. Each request and
 * each answer has the header `Zero-Protocol`. These headers never change, whatever else does: they have to be read
 * across all versions.
 */

/**
 * The version of the control protocol. It grows when a part of the version before is deprecated or removed
 * (docs/reference/formats.md). What is added without a change of meaning needs no new version.
 */
export const PROTOCOL = 1;

/** Before the header there was version 1. */
export const PROTOCOL_WITHOUT_HEADER = 1;

/** Versions next to each other understand each other: a part is removed one version after it was deprecated. */
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

/** Whether two versions of the protocol understand each other. */
export function isCompatible(one: number, other: number): boolean {
  return Math.abs(one - other) <= MAX_DISTANCE;
}

/** The version in a header; null where it is no whole number of 1 or greater. */
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

/** A running supervisor. */
export interface Identity {
  /** Its release. */
  readonly version: string;
  /** The name of its instance. */
  readonly name: string;
  readonly pid: number;
}
