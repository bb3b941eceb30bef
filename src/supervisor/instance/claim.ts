import { closeSync, constants, ftruncateSync, readSync, writeSync } from 'node:fs';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { MAX_SOCKET_PATH } from '../../common/host-port.ts';
import {
  makeOwnDirectory,
  openOwnFile,
  requireTrusted,
  tryLock,
  UntrustedDirectoryError,
} from '../../linux/files/own-files.ts';
import { processStat } from '../../linux/procfs.ts';
import { isAlive } from '../../workers/processes/descendants.ts';
import { type Instance, InstanceError, LOCK } from './instance.ts';

/**
 * A socket address holds 108 bytes including NUL (unix(7)). The longest name below the runtime directory needs this
 * many.
 */
const MAX_SOCKET_NAME = '/notify/000000.000.000'.length;

const ANOTHER = 'set application.runtime_directory to one that this user may write';
const ADVICE: Readonly<Record<string, string>> = {
  EACCES: ANOTHER,
  EPERM: ANOTHER,
  EROFS: ANOTHER,
  ENOTDIR: 'a part of the path is not a directory',
  EEXIST: 'a part of the path is not a directory',
  ENOSPC: 'its file system is full',
  EMFILE: 'zero has no free file descriptors. Raise its nofile limit',
};

/** Another supervisor has the lock. */
export class InstanceHeldError extends InstanceError {}

/** Milliseconds to wait for the lock of a dead supervisor: the kernel closes its descriptors one by one. */
const PATIENCE = 1_000;

/** Milliseconds between two attempts. */
const PAUSE = 10;

export interface Claim {
  /** The descriptor of the lock. Another program in the same process keeps the lock with it. */
  readonly lock: number;
  /** True if no supervisor has had the lock before, or the directory was deleted since. */
  readonly isNew: boolean;
}

/**
 * Creates the runtime directory and takes its lock, which lasts as long as the process (flock(2)).
 * @param nameOption the option that gives an instance another name
 * @throws InstanceError when the directory cannot be created, when another user could change it or the data directory,
 * or when another zero has the lock
 */
export async function claimInstance(
  instance: Instance,
  nameOption: 'runtime.name' | '--name',
): Promise<Claim> {
  const { runtimeDirectory, name } = instance;
  if (Buffer.byteLength(runtimeDirectory) + MAX_SOCKET_NAME > MAX_SOCKET_PATH) {
    throw new InstanceError(
      `runtime directory ${runtimeDirectory}: its path is too long for the sockets in it: set application.runtime_directory to a shorter one`,
    );
  }
  refuseForeign(instance.dataDirectory);
  const lockPath = path.join(runtimeDirectory, LOCK);
  let fd: number;
  try {
    // Other users may traverse the directory to their worker's notify socket. The files in it have their own modes.
    makeOwnDirectory(runtimeDirectory, 0o755);
    makeNotifyDirectory(runtimeDirectory);
    fd = openOwnFile(lockPath, constants.O_RDWR | constants.O_CREAT);
  } catch (error) {
    throw directoryError(runtimeDirectory, error);
  }
  if (!tryLock(fd) && !(await lockOfDead(fd))) {
    const holder = holderOf(fd);
    closeSync(fd);
    throw new InstanceHeldError(
      `another zero (pid ${holder ?? 'unknown'}) runs as "${name}" with the runtime directory ${runtimeDirectory}: stop it, or give this one another ${nameOption}`,
    );
  }
  const isNew = holderOf(fd) === null;
  try {
    ftruncateSync(fd);
    writeSync(fd, `${process.pid}\n`, 0);
  } catch (error) {
    throw directoryError(runtimeDirectory, error);
  }
  return { lock: fd, isNew };
}

/** Creates the directory of the workers' notify sockets. Throws the errors of makeOwnDirectory(). */
export function makeNotifyDirectory(runtimeDirectory: string): void {
  makeOwnDirectory(path.join(runtimeDirectory, 'notify'), 0o755);
}

/** The pid of the supervisor that took the lock last. */
function holderOf(lock: number): number | null {
  // Reads from the start of the file at each call.
  const text = Buffer.alloc(32);
  const length = readSync(lock, text, 0, text.length, 0);
  return Number.parseInt(text.toString('latin1', 0, length), 10) || null;
}

/** Waits for the lock of a supervisor that has died and still has it. Returns false if the supervisor lives. */
async function lockOfDead(lock: number): Promise<boolean> {
  for (let waited = 0; waited < PATIENCE; waited += PAUSE) {
    const holder = holderOf(lock);
    const stat = holder === null ? null : processStat(holder);
    if (stat !== null && isAlive(stat) && !stat.exiting) return false;
    await setTimeout(PAUSE);
    if (tryLock(lock)) return true;
  }
  return false;
}

function directoryError(directory: string, error: unknown): InstanceError {
  if (error instanceof UntrustedDirectoryError) return untrusted('runtime', directory, error);
  const { code, message } = error as NodeJS.ErrnoException;
  const reason = code === undefined || code === 'ELOOP' ? message : code;
  const advice = ADVICE[reason];
  return new InstanceError(
    `runtime directory ${directory}: ${reason}${advice === undefined ? '' : `: ${advice}`}`,
  );
}

/** Other problems of the data directory are reported at its first use: the service can run without it. */
function refuseForeign(dataDirectory: string): void {
  try {
    requireTrusted(dataDirectory);
  } catch (error) {
    if (error instanceof UntrustedDirectoryError) throw untrusted('data', dataDirectory, error);
  }
}

function untrusted(which: 'runtime' | 'data', directory: string, { message }: Error): InstanceError {
  return new InstanceError(
    `${which} directory ${directory}: ${message}. Only root and this user may be able to change it: correct the owner and the mode, or set application.${which}_directory to another path.`,
  );
}
