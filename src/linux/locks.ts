import { tryCall } from './libc.ts';

const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Takes the exclusive flock(2) of an open file without waiting; false when another open file description has it. The lock
 * ends with the last descriptor of this one, also after a crash. Throws SystemError.
 */
export function tryLock(fd: number): boolean {
  return tryCall(['EAGAIN'], 'flock', fd, LOCK_EX | LOCK_NB) !== 'EAGAIN';
}
