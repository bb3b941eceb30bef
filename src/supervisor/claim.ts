import fs from 'node:fs';
import path from 'node:path';
import { makeDirectory } from '../linux/directory.ts';
import { tryLock } from '../linux/locks.ts';
import type { Instance } from './instance.ts';

/** A supervisor that cannot be one: the message says what and what to do. */
export class InstanceError extends Error {}

/** A socket address holds 108 bytes, the last of them NUL (unix(7)); the longest name below the runtime directory needs these. */
const LONGEST_SOCKET_NAME = '/notify/000000.000.000'.length;
const LONGEST_SOCKET_PATH = 107;

const ANOTHER = 'set application.runtime_directory to one that this user may write';
const ADVICE: Readonly<Record<string, string>> = {
  EACCES: ANOTHER,
  EPERM: ANOTHER,
  EROFS: ANOTHER,
  ENOTDIR: 'a part of the path is not a directory',
  EEXIST: 'a part of the path is not a directory',
  ENOSPC: 'its file system is full',
  EMFILE: 'zero has no descriptor left: raise its nofile limit',
};

/**
 * Makes the runtime directory and takes its lock, which lasts as long as the process (flock(2)).
 * @throws InstanceError when it cannot be made, belongs to somebody else, or another zero holds it
 */
export function claimInstance(instance: Instance): void {
  const { runtimeDirectory, name } = instance;
  if (Buffer.byteLength(runtimeDirectory) + LONGEST_SOCKET_NAME > LONGEST_SOCKET_PATH) {
    throw new InstanceError(
      `runtime directory ${runtimeDirectory}: its path is too long for the sockets in it: set application.runtime_directory to a shorter one`,
    );
  }
  const lockPath = path.join(runtimeDirectory, 'lock');
  let fd: number;
  try {
    // Others may pass through to their worker's notify socket; what is in it has its own modes.
    makeDirectory(path.join(runtimeDirectory, 'notify'), 0o755);
    refuseForeign(runtimeDirectory);
    fd = fs.openSync(lockPath, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600);
  } catch (error) {
    throw error instanceof InstanceError ? error : directoryError(runtimeDirectory, error);
  }
  if (!tryLock(fd)) {
    const holder = fs.readFileSync(fd, 'utf8').trim();
    fs.closeSync(fd);
    throw new InstanceError(
      `another zero (pid ${holder || 'unknown'}) runs as "${name}" with the runtime directory ${runtimeDirectory}: stop it, or give this one another runtime.name`,
    );
  }
  try {
    fs.ftruncateSync(fd);
    fs.writeSync(fd, `${process.pid}\n`, 0);
  } catch (error) {
    throw directoryError(runtimeDirectory, error);
  }
}

function directoryError(directory: string, error: unknown): InstanceError {
  const reason = (error as NodeJS.ErrnoException).code ?? String(error);
  const advice = ADVICE[reason];
  return new InstanceError(
    `runtime directory ${directory}: ${reason}${advice === undefined ? '' : `: ${advice}`}`,
  );
}

/** In a directory that anybody may write to, somebody else could have made it first and would hold our sockets. */
function refuseForeign(directory: string): void {
  const { uid } = fs.statSync(directory);
  const own = process.geteuid?.() ?? 0;
  if (uid !== own && uid !== 0) {
    throw new InstanceError(
      `runtime directory ${directory}: belongs to uid ${uid}, not to this user (${own})`,
    );
  }
}
