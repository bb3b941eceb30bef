import { closeSync, constants, openSync, readFileSync, writeFileSync } from 'node:fs';
import { errorCode } from '../../common/errors.ts';
import { tryCall } from '../libc.ts';
import { makeDirectory } from './directory.ts';
import { distrust } from './trusted-path.ts';

/** A directory of zero that another user could change. The message says which part of its path, and why. */
export class UntrustedDirectoryError extends Error {}

/**
 * Throws UntrustedDirectoryError if another user could change the entries of a directory, or the target of its path.
 */
export function requireTrusted(directory: string): void {
  const reason = distrust(directory);
  if (reason !== null) throw new UntrustedDirectoryError(reason);
}

/**
 * Creates a directory for zero's own files, and its missing parents. Throws UntrustedDirectoryError, or the file
 * system's error.
 */
export function makeOwnDirectory(directory: string, mode: number): void {
  // zero creates nothing in directories of other users. Another user may have created a missing one, so the check is
  // repeated.
  requireTrusted(directory);
  makeDirectory(directory, mode);
  requireTrusted(directory);
}

/**
 * Opens one of zero's own files without following a symbolic link in its place (open(2), O_NOFOLLOW). Throws the file
 * system's error, ELOOP for a link.
 * @param flags flags of open(2); O_CLOEXEC is always set
 */
export function openOwnFile(file: string, flags: number, mode = 0o600): number {
  try {
    return openSync(file, flags | constants.O_NOFOLLOW, mode);
  } catch (error) {
    if (errorCode(error) !== 'ELOOP') throw error;
    const message = `ELOOP: ${file} is a symbolic link, which zero does not follow. Remove it`;
    throw Object.assign(new Error(message, { cause: error }), { code: 'ELOOP', syscall: 'open', path: file });
  }
}

/** The text of one of zero's own files. Throws as `openOwnFile`. */
export function readOwnFile(file: string): string {
  // O_NONBLOCK: does not wait for the writer of a FIFO in its place.
  const fd = openOwnFile(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}

/** Overwrites one of zero's own files with the text, or creates it with this mode. Throws as `openOwnFile`. */
export function writeOwnFile(file: string, text: string, mode = 0o600): void {
  const fd = openOwnFile(file, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, mode);
  try {
    writeFileSync(fd, text);
  } finally {
    closeSync(fd);
  }
}

const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Takes the exclusive flock(2) of an open file without waiting. Returns false if another open file description has it.
 * The lock ends when the last descriptor of this one is closed, even by a crash. Throws SystemError.
 */
export function tryLock(fd: number): boolean {
  return tryCall(['EAGAIN'], 'flock', fd, LOCK_EX | LOCK_NB) !== 'EAGAIN';
}
