import koffi, { type LibraryHandle } from 'koffi';
import { errnoNumber, SystemError } from './errors.ts';

/** Argument for a C pointer parameter: the bytes of a Buffer, an address, or NULL. */
export type Pointer = Buffer | bigint | null;

type Argument = Pointer | number | string;
interface Declaration<Args extends readonly Argument[]> {
  prototype: string;
  args?: Args;
}

function declare<Args extends readonly Argument[]>(prototype: string): Declaration<Args> {
  return { prototype };
}

// Every C library function in use, declared once. fcntl(2), prctl(2) and syscall(2) are variadic in C. The calling
// conventions of x86-64 and AArch64 Linux pass integer variadic arguments in the same registers as named ones.
const declarations = {
  _exit: declare<[code: number]>('void _exit(int)'),
  accept4: declare<[fd: number, address: Pointer, length: Pointer, flags: number]>(
    'int accept4(int, void*, void*, int)',
  ),
  bind: declare<[fd: number, address: Pointer, length: number]>('int bind(int, const void*, uint32_t)'),
  capset: declare<[header: Pointer, data: Pointer]>('int capset(void*, const void*)'),
  close: declare<[fd: number]>('int close(int)'),
  connect: declare<[fd: number, address: Pointer, length: number]>('int connect(int, const void*, uint32_t)'),
  epoll_create1: declare<[flags: number]>('int epoll_create1(int)'),
  epoll_ctl: declare<[epoll: number, operation: number, fd: number, event: Pointer]>(
    'int epoll_ctl(int, int, int, void*)',
  ),
  epoll_wait: declare<[epoll: number, events: Pointer, capacity: number, timeout: number]>(
    'int epoll_wait(int, void*, int, int)',
  ),
  eventfd: declare<[initial: number, flags: number]>('int eventfd(uint32_t, int)'),
  execve: declare<[path: Pointer, argv: Pointer, environment: Pointer]>(
    'int execve(const void*, void*, void*)',
  ),
  fcntl: declare<[fd: number, command: number, argument: number]>('int fcntl(int, int, long)'),
  flock: declare<[fd: number, operation: number]>('int flock(int, int)'),
  getgrgid_r: declare<[gid: number, entry: Pointer, buffer: Pointer, size: number, result: Pointer]>(
    'int getgrgid_r(uint32_t, void*, void*, size_t, void*)',
  ),
  getgrnam_r: declare<[name: string, entry: Pointer, buffer: Pointer, size: number, result: Pointer]>(
    'int getgrnam_r(const char*, void*, void*, size_t, void*)',
  ),
  getgrouplist: declare<[user: string, group: number, groups: Pointer, count: Pointer]>(
    'int getgrouplist(const char*, uint32_t, void*, void*)',
  ),
  getpeername: declare<[fd: number, address: Pointer, length: Pointer]>('int getpeername(int, void*, void*)'),
  getpwnam_r: declare<[name: string, entry: Pointer, buffer: Pointer, size: number, result: Pointer]>(
    'int getpwnam_r(const char*, void*, void*, size_t, void*)',
  ),
  getpwuid_r: declare<[uid: number, entry: Pointer, buffer: Pointer, size: number, result: Pointer]>(
    'int getpwuid_r(uint32_t, void*, void*, size_t, void*)',
  ),
  getsockname: declare<[fd: number, address: Pointer, length: Pointer]>('int getsockname(int, void*, void*)'),
  getsockopt: declare<[fd: number, level: number, option: number, value: Pointer, length: Pointer]>(
    'int getsockopt(int, int, int, void*, void*)',
  ),
  getxattr: declare<[path: string, name: string, value: Pointer, size: number]>(
    'long getxattr(const char*, const char*, void*, size_t)',
  ),
  inotify_add_watch: declare<[fd: number, path: string, mask: number]>(
    'int inotify_add_watch(int, const char*, uint32_t)',
  ),
  inotify_init1: declare<[flags: number]>('int inotify_init1(int)'),
  inotify_rm_watch: declare<[fd: number, watch: number]>('int inotify_rm_watch(int, int)'),
  listen: declare<[fd: number, backlog: number]>('int listen(int, int)'),
  malloc_trim: declare<[keep: number]>('int malloc_trim(size_t)'),
  memfd_create: declare<[name: string, flags: number]>('int memfd_create(const char*, uint32_t)'),
  mkfifo: declare<[path: string, mode: number]>('int mkfifo(const char*, uint32_t)'),
  pipe2: declare<[descriptors: Pointer, flags: number]>('int pipe2(void*, int)'),
  poll: declare<[descriptors: Pointer, count: number, timeout: number]>('int poll(void*, ulong, int)'),
  posix_spawn: declare<
    [pid: Pointer, path: Pointer, actions: Pointer, attributes: Pointer, argv: Pointer, environment: Pointer]
  >('int posix_spawn(void*, const void*, void*, void*, void*, void*)'),
  posix_spawn_file_actions_addchdir_np: declare<[actions: Pointer, path: string]>(
    'int posix_spawn_file_actions_addchdir_np(void*, const char*)',
  ),
  posix_spawn_file_actions_addclose: declare<[actions: Pointer, fd: number]>(
    'int posix_spawn_file_actions_addclose(void*, int)',
  ),
  posix_spawn_file_actions_addclosefrom_np: declare<[actions: Pointer, lowest: number]>(
    'int posix_spawn_file_actions_addclosefrom_np(void*, int)',
  ),
  posix_spawn_file_actions_adddup2: declare<[actions: Pointer, from: number, to: number]>(
    'int posix_spawn_file_actions_adddup2(void*, int, int)',
  ),
  posix_spawn_file_actions_addopen: declare<
    [actions: Pointer, fd: number, path: string, flags: number, mode: number]
  >('int posix_spawn_file_actions_addopen(void*, int, const char*, int, uint32_t)'),
  posix_spawn_file_actions_destroy: declare<[actions: Pointer]>(
    'int posix_spawn_file_actions_destroy(void*)',
  ),
  posix_spawn_file_actions_init: declare<[actions: Pointer]>('int posix_spawn_file_actions_init(void*)'),
  posix_spawnattr_destroy: declare<[attributes: Pointer]>('int posix_spawnattr_destroy(void*)'),
  posix_spawnattr_init: declare<[attributes: Pointer]>('int posix_spawnattr_init(void*)'),
  posix_spawnattr_setflags: declare<[attributes: Pointer, flags: number]>(
    'int posix_spawnattr_setflags(void*, short)',
  ),
  posix_spawnattr_setsigdefault: declare<[attributes: Pointer, set: Pointer]>(
    'int posix_spawnattr_setsigdefault(void*, const void*)',
  ),
  posix_spawnattr_setsigmask: declare<[attributes: Pointer, set: Pointer]>(
    'int posix_spawnattr_setsigmask(void*, const void*)',
  ),
  prctl: declare<[option: number, argument: number, third: number, fourth: number, fifth: number]>(
    'int prctl(int, ulong, ulong, ulong, ulong)',
  ),
  recv: declare<[fd: number, buffer: Pointer, size: number, flags: number]>(
    'long recv(int, void*, size_t, int)',
  ),
  recvmmsg: declare<[fd: number, messages: Pointer, count: number, flags: number, timeout: Pointer]>(
    'int recvmmsg(int, void*, uint32_t, int, void*)',
  ),
  recvmsg: declare<[fd: number, message: Pointer, flags: number]>('long recvmsg(int, void*, int)'),
  send: declare<[fd: number, buffer: Pointer, size: number, flags: number]>(
    'long send(int, const void*, size_t, int)',
  ),
  sendmsg: declare<[fd: number, message: Pointer, flags: number]>('long sendmsg(int, const void*, int)'),
  setsockopt: declare<[fd: number, level: number, option: number, value: Pointer, length: number]>(
    'int setsockopt(int, int, int, const void*, uint32_t)',
  ),
  getrlimit: declare<[resource: number, limit: Pointer]>('int getrlimit(int, void*)'),
  setrlimit: declare<[resource: number, limit: Pointer]>('int setrlimit(int, const void*)'),
  setfsuid: declare<[uid: number]>('int setfsuid(uint32_t)'),
  setsid: declare<[]>('int setsid(void)'),
  shutdown: declare<[fd: number, direction: number]>('int shutdown(int, int)'),
  signal: declare<[signal: number, handler: number]>('long signal(int, long)'),
  socket: declare<[domain: number, type: number, protocol: number]>('int socket(int, int, int)'),
  syscall: declare<[number: number, a: number, b: number, c: number, d: number]>(
    'long syscall(long, long, long, long, long)',
  ),
  wait4: declare<[pid: number, status: Pointer, options: number, usage: Pointer]>(
    'int wait4(int, void*, int, void*)',
  ),
};

type Declarations = typeof declarations;
export type FunctionName = keyof Declarations;
export type Arguments<Name extends FunctionName> =
  Declarations[Name] extends Declaration<infer Args> ? Extract<Args, readonly Argument[]> : never;

/** The C library as this program uses it: each function's result as a number, and errno after a failed one. */
export type Libc = { [Name in FunctionName]: (...args: Arguments<Name>) => number } & {
  errno(): number;
};

interface NativeFunction {
  (...args: readonly Argument[]): number;
  async(...args: readonly (Argument | ((error: unknown, result: number) => void))[]): void;
}

let library: LibraryHandle | undefined;
const loaded = new Map<FunctionName, NativeFunction>();
let replaced: Partial<Libc> = {};

function native(name: FunctionName): NativeFunction {
  const known = loaded.get(name);
  if (known) return known;
  library ??= koffi.load('libc.so.6');
  const declared: NativeFunction = library.func(declarations[name].prototype);
  loaded.set(name, declared);
  return declared;
}

/**
 * Replaces single functions of the C library, so that tests can produce every errno, e.g. `useLibc({ bind: () => -1,
 * errno: () => 13 })`. Returns a function that restores the previous state.
 */
export function useLibc(fake: Partial<Libc>): () => void {
  const before = replaced;
  replaced = { ...before, ...fake };
  return () => {
    replaced = before;
  };
}

/** Finds a function, so that a later call has nothing left to load. */
export function bind(name: FunctionName): void {
  native(name);
}

/** Calls a function and returns its result, even if it failed. */
export function rawCall<Name extends FunctionName>(name: Name, ...args: Arguments<Name>): number {
  const fake = replaced[name] as ((...args: Arguments<Name>) => number) | undefined;
  return fake ? fake(...args) : native(name)(...args);
}

/** errno of the last failed call. Must be read before any other call. */
export function lastErrno(): number {
  return replaced.errno ? replaced.errno() : koffi.errno();
}

const EINTR = errnoNumber('EINTR');

/**
 * Calls a function that reports failure as -1 and errno. Repeats interrupted calls (EINTR), as signal(7) requires.
 * Throws SystemError.
 */
export function call<Name extends FunctionName>(name: Name, ...args: Arguments<Name>): number {
  return callAbout(undefined, name, ...args);
}

/** `call` with the subject of the error message: an address, a path, a descriptor. */
export function callAbout<Name extends FunctionName>(
  subject: string | undefined,
  name: Name,
  ...args: Arguments<Name>
): number {
  for (;;) {
    const result = rawCall(name, ...args);
    if (result !== -1) return result;
    const errno = lastErrno();
    if (errno !== EINTR) throw new SystemError(name, errno, subject);
  }
}

/** `call` where the errors named in `expected` are results: returns the error's name for those. */
export function tryCall<Name extends FunctionName, Expected extends string>(
  expected: readonly Expected[],
  name: Name,
  ...args: Arguments<Name>
): number | Expected {
  for (;;) {
    const result = rawCall(name, ...args);
    if (result !== -1) return result;
    const errno = lastErrno();
    if (errno === EINTR) continue;
    // No exception, which takes longer than most calls: EAGAIN is the normal result of reading a silent connection.
    const code = expected.find((known) => errnoNumber(known) === errno);
    if (code === undefined) throw new SystemError(name, errno);
    return code;
  }
}

/** Calls a function that returns its errno (the posix_spawn and getpwnam_r families). Throws SystemError. */
export function callReturningErrno<Name extends FunctionName>(name: Name, ...args: Arguments<Name>): void {
  for (;;) {
    const errno = rawCall(name, ...args);
    if (errno === 0) return;
    if (errno !== EINTR) throw new SystemError(name, errno);
  }
}

/** Calls a function on a thread of libuv's pool. `done` gets its plain result; errno stays on that thread. */
export function callOnPool<Name extends FunctionName>(
  name: Name,
  args: Arguments<Name>,
  done: (result: number) => void,
): void {
  native(name).async(...args, (error: unknown, result: number) => {
    if (error) throw error;
    done(result);
  });
}

/** The address of a Buffer's bytes; valid while the Buffer is referenced. */
export function addressOf(buffer: Buffer): bigint {
  return koffi.address(buffer);
}

/**
 * Memory that native code may write at any time, on any thread, with a copy of `bytes`. Free it with `releaseMemory`.
 */
export function allocateMemory(bytes: Buffer): bigint {
  const memory = koffi.alloc('uint8_t', bytes.length);
  koffi.encode(memory, koffi.array('uint8_t', bytes.length), bytes);
  return memory;
}

export function releaseMemory(memory: bigint): void {
  koffi.free(memory);
}
