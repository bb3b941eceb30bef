/**
 * A socket that was passed on does not match its description. The message has the convention, the descriptor and the
 * reason.
 */
export class HandedError extends Error {
  override readonly name = 'HandedError';
}

/** A descriptor that a convention declares to be a listening socket. Not verified yet. */
export interface Claim {
  readonly fd: number;
  /** Null if the convention has no names, or this socket has none. */
  readonly name: string | null;
  /** As the convention writes it; null if the convention does not state it. */
  readonly address: string | null;
  /** The name of the convention. */
  readonly from: string;
}

/** The process that the environment belongs to. */
export interface Self {
  readonly pid: number;
  readonly ppid: number;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Descriptors are below this: RLIMIT_NOFILE is at most fs.nr_open (proc_sys_fs(5)). */
export const MAX_DESCRIPTORS = 1_048_576;

/** Limit for the number of sockets. No manager passes more to one process. */
const MAX_SOCKETS = 65_536;

/** Parses a descriptor number from a variable; null for anything else. */
export function descriptor(text: string): number | null {
  return /^\d{1,7}$/.test(text) && Number(text) <= MAX_DESCRIPTORS ? Number(text) : null;
}

/** Parses a number of sockets from a variable; null for anything else. */
export function countOf(text: string): number | null {
  const count = descriptor(text);
  return count !== null && count <= MAX_SOCKETS ? count : null;
}
