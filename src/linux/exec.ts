import { bind, callAbout, tryCall } from './libc.ts';
import { cString, pointerArray } from './pointer-array.ts';

const F_GETFD = 1;
const F_SETFD = 2;
const FD_CLOEXEC = 1;
const SIG_DFL = 0;
const SIG_IGN = 1;
const SIGPIPE = 13;
const SIGXFSZ = 25;

/**
 * Prepares to replace this process's program. The pid, the children and the descriptors without close-on-exec stay. The
 * returned function replaces the program, needs very little memory, and returns only by throwing SystemError. Throws
 * SystemError EINVAL for a NUL in a string.
 */
export function prepareExec(
  path: string,
  argv: readonly string[],
  environment: readonly (string | Buffer)[],
): () => never {
  const program = cString(path, 'execve');
  const argumentPointers = pointerArray(argv, 'execve');
  const environmentPointers = pointerArray(environment, 'execve');
  bind('execve');
  return () => {
    callAbout(path, 'execve', program, argumentPointers, environmentPointers);
    throw new Error(`execve ${path}: returned without an error`);
  };
}

/**
 * Reverts Node's changes to signals that execve(2) would pass on: Node ignores SIGPIPE and SIGXFSZ at its start. execve
 * itself removes handlers. Throws SystemError.
 */
export function restoreIgnoredSignals(): void {
  for (const signal of [SIGPIPE, SIGXFSZ]) callAbout(`signal ${signal}`, 'signal', signal, SIG_DFL);
}

/** Reverts restoreIgnoredSignals() after a failed execve(2). Throws SystemError. */
export function ignoreSignalsAgain(): void {
  for (const signal of [SIGPIPE, SIGXFSZ]) callAbout(`signal ${signal}`, 'signal', signal, SIG_IGN);
}

/** Sets whether exec closes the descriptor. Throws SystemError EBADF. */
export function setCloseOnExec(fd: number, closeOnExec: boolean): void {
  callAbout(`descriptor ${fd}`, 'fcntl', fd, F_SETFD, closeOnExec ? FD_CLOEXEC : 0);
}

/** Whether the descriptor number is open in this process. */
export function isOpen(fd: number): boolean {
  return tryCall(['EBADF'], 'fcntl', fd, F_GETFD, 0) !== 'EBADF';
}
