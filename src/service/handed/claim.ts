/**
 * A socket that was passed on does not match its description. The message has the convention, the descriptor and the
 * reason.
 */
export class HandedError extends Error {
  override readonly name = 'HandedError';
}

/** What a convention says: this descriptor is a listening socket. Nothing is proved yet. */
export interface Claim {
  readonly fd: number;
  /** Null where the convention has no names, or this socket has none. */
  readonly name: string | null;
  /** As the convention writes it; null where it does not say. */
  readonly address: string | null;
  /** The convention. */
  readonly from: string;
}

/** Whose environment it is. */
export interface Self {
  readonly pid: number;
  readonly ppid: number;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Descriptors are below this: RLIMIT_NOFILE is at most fs.nr_open (proc_sys_fs(5)). */
export const MAX_DESCRIPTORS = 1_048_576;

/** No manager hands more sockets to one process. */
const MAX_SOCKETS = 65_536;

/** A descriptor number that a variable names; null for anything else. */
export function descriptor(text: string): number | null {
  return /^\d{1,7}$/.test(text) && Number(text) <= MAX_DESCRIPTORS ? Number(text) : null;
}

/** A number of sockets that a variable names; null for anything else. */
export function countOf(text: string): number | null {
  const count = descriptor(text);
  return count !== null && count <= MAX_SOCKETS ? count : null;
}
