import { accessSync, constants, statSync } from 'node:fs';
import { errnoNumber, SystemError } from './errors.ts';
import { callReturningErrno, rawCall } from './libc.ts';
import { cString, pointerArray } from './pointer-array.ts';
import { closeFd, duplicateAbove } from './sockets.ts';

/**
 * Everything that a new process gets: its own session, every signal at its default and none blocked, exactly the given
 * descriptors (number in the child -> descriptor here), /dev/null as 0 if it is not given. `path` is not searched in
 * PATH; a relative one is looked up in `directory`. `environment` contains `NAME=value` entries.
 */
export interface SpawnRequest {
  path: string;
  argv: readonly string[];
  environment: readonly (string | Buffer)[];
  descriptors: ReadonlyMap<number, number>;
  directory?: string;
}

const POSIX_SPAWN_SETSIGDEF = 0x04;
const POSIX_SPAWN_SETSIGMASK = 0x08;
const POSIX_SPAWN_SETSID = 0x80;
// glibc: posix_spawn_file_actions_t is 80 bytes, posix_spawnattr_t 336, sigset_t 128 (x64 and arm64).
const FILE_ACTIONS_CAPACITY = 256;
const ATTRIBUTES_CAPACITY = 512;
const SIGSET_SIZE = 128;

/**
 * Starts a process and returns its pid. Throws SystemError: syscall 'chdir' if the directory is the cause, otherwise
 * 'posix_spawn' (ENOENT, EACCES, ENOEXEC, E2BIG, EAGAIN, EBADF...) or 'fcntl' (EBADF, EMFILE) if a descriptor cannot be
 * duplicated.
 */
export function spawnProcess(request: SpawnRequest): number {
  const highest = Math.max(0, ...request.descriptors.keys());
  const temporary: number[] = [];
  try {
    const sources = new Map<number, number>();
    for (const [target, source] of request.descriptors) {
      // The child fills its numbers in ascending order: only a lower source is overwritten before it is used.
      const safe = source >= target ? source : duplicateAbove(source, highest + 1);
      if (safe !== source) temporary.push(safe);
      sources.set(target, safe);
    }
    return withAttributes((attributes) =>
      withFileActions((actions) => {
        addFileActions(actions, sources, highest, request.directory);
        return launch(request, actions, attributes);
      }),
    );
  } finally {
    for (const fd of temporary) closeFd(fd);
  }
}

function launch(request: SpawnRequest, actions: Buffer, attributes: Buffer): number {
  const pid = Buffer.alloc(4);
  const path = cString(request.path, 'posix_spawn');
  const argv = pointerArray(request.argv, 'posix_spawn');
  const environment = pointerArray(request.environment, 'posix_spawn');
  // posix_spawn(3) returns the errno of the child's failed step, but not which step it was.
  const errno = rawCall('posix_spawn', pid, path, actions, attributes, argv, environment);
  if (errno === 0) return pid.readInt32LE(0);
  throw directoryError(request.directory) ?? new SystemError('posix_spawn', errno, request.path);
}

function addFileActions(
  actions: Buffer,
  sources: ReadonlyMap<number, number>,
  highest: number,
  directory: string | undefined,
): void {
  if (directory !== undefined) {
    callReturningErrno('posix_spawn_file_actions_addchdir_np', actions, directory);
  }
  for (let target = 0; target <= highest; target += 1) {
    const source = sources.get(target);
    if (source !== undefined) {
      // Equal numbers: the descriptor loses its close-on-exec flag (glibc 2.29).
      callReturningErrno('posix_spawn_file_actions_adddup2', actions, source, target);
    } else if (target === 0) {
      callReturningErrno('posix_spawn_file_actions_addopen', actions, 0, '/dev/null', constants.O_RDONLY, 0);
    } else {
      // glibc ignores the close of a number that is not open (sysdeps/unix/sysv/linux/spawni.c).
      callReturningErrno('posix_spawn_file_actions_addclose', actions, target);
    }
  }
  callReturningErrno('posix_spawn_file_actions_addclosefrom_np', actions, highest + 1);
}

function withFileActions<Result>(use: (actions: Buffer) => Result): Result {
  const actions = Buffer.alloc(FILE_ACTIONS_CAPACITY);
  callReturningErrno('posix_spawn_file_actions_init', actions);
  try {
    return use(actions);
  } finally {
    rawCall('posix_spawn_file_actions_destroy', actions);
  }
}

function withAttributes<Result>(use: (attributes: Buffer) => Result): Result {
  const attributes = Buffer.alloc(ATTRIBUTES_CAPACITY);
  callReturningErrno('posix_spawnattr_init', attributes);
  try {
    const flags = POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
    callReturningErrno('posix_spawnattr_setflags', attributes, flags);
    callReturningErrno('posix_spawnattr_setsigdefault', attributes, Buffer.alloc(SIGSET_SIZE, 0xff));
    callReturningErrno('posix_spawnattr_setsigmask', attributes, Buffer.alloc(SIGSET_SIZE));
    return use(attributes);
  } finally {
    rawCall('posix_spawnattr_destroy', attributes);
  }
}

function directoryError(directory: string | undefined): SystemError | undefined {
  if (directory === undefined) return undefined;
  try {
    if (!statSync(directory).isDirectory())
      return new SystemError('chdir', errnoNumber('ENOTDIR'), directory);
    accessSync(directory, constants.X_OK);
    return undefined;
  } catch (error) {
    const errno = (error as NodeJS.ErrnoException).errno;
    return errno === undefined ? undefined : new SystemError('chdir', -errno, directory);
  }
}
