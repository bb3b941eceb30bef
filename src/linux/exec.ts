import { callAbout, tryCall } from './libc.ts';
import { cString, pointerArray } from './pointer-array.ts';

const F_GETFD = 1;
const F_SETFD = 2;
const FD_CLOEXEC = 1;

/**
 * Replaces this process's program; pid, children and the descriptors without close-on-exec stay. Returns only by throwing
 * SystemError.
 */
export function execInPlace(
  path: string,
  argv: readonly string[],
  environment: readonly (string | Buffer)[],
): never {
  const program = cString(path, 'execve');
  callAbout(path, 'execve', program, pointerArray(argv, 'execve'), pointerArray(environment, 'execve'));
  throw new Error(`execve ${path}: returned without an error`);
}

/** Whether the descriptor is closed by exec from now on. Throws SystemError EBADF. */
export function setCloseOnExec(fd: number, closeOnExec: boolean): void {
  callAbout(`descriptor ${fd}`, 'fcntl', fd, F_SETFD, closeOnExec ? FD_CLOEXEC : 0);
}

/** Whether the descriptor number is open in this process. */
export function isOpen(fd: number): boolean {
  return tryCall(['EBADF'], 'fcntl', fd, F_GETFD, 0) !== 'EBADF';
}
