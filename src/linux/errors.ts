import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';

const numberByName: ReadonlyMap<string, number> = new Map(Object.entries(constants.errno));
// EWOULDBLOCK and EOPNOTSUPP are second names of EAGAIN and ENOTSUP (errno(3)). libuv's names have priority.
const nameByErrno = new Map([...numberByName].map(([name, errno]) => [errno, name]));

/**
 * A failed system call. `code` is the errno name ('EACCES'), `errno` its positive number, `syscall` the failed step
 * ('bind'). The message is `bind 127.0.0.1:80: EACCES: permission denied`.
 */
export class SystemError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;

  /** @param subject the object of the call: an address, a path, a descriptor */
  constructor(syscall: string, errno: number, subject?: string) {
    const code = errnoName(errno);
    const subjectText = subject === undefined ? '' : ` ${subject}`;
    super(`${syscall}${subjectText}: ${code}: ${errnoDescription(errno)}`);
    this.name = 'SystemError';
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
  }
}

/** The positive errno of a name such as 'EACCES'. Throws RangeError for a name that does not exist on Linux. */
export function errnoNumber(name: string): number {
  const errno = numberByName.get(name);
  if (errno !== undefined) return errno;
  throw new RangeError(`unknown errno name: ${name}`);
}

// Cached, because each call creates a new map.
let systemErrors: ReadonlyMap<number, readonly [name: string, description: string]> | undefined;

function systemError(errno: number): readonly [name: string, description: string] | undefined {
  systemErrors ??= getSystemErrorMap();
  return systemErrors.get(-errno);
}

function errnoName(errno: number): string {
  return systemError(errno)?.[0] ?? nameByErrno.get(errno) ?? `E${errno}`;
}

function errnoDescription(errno: number): string {
  return systemError(errno)?.[1] ?? 'see errno(3)';
}
