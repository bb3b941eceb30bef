import { signalNumber } from '../../src/common/signals.ts';
import type { Datagram } from '../../src/linux/datagrams.ts';
import { errnoNumber, SystemError } from '../../src/linux/errors.ts';
import type { Kernel } from '../../src/linux/kernel.ts';
import type { PipeEvents, PipeReader } from '../../src/linux/pipes.ts';
import type { Reaped } from '../../src/linux/processes.ts';
import type { ProcessStat } from '../../src/linux/procfs.ts';
import type { Watch } from '../../src/linux/reactor.ts';
import type { SpawnRequest } from '../../src/linux/spawn.ts';
import { NO_USAGE } from '../support/processes.ts';
import { FakePipe } from './fake-pipe.ts';
import type { FakeProcess } from './fake-process.ts';
import { FakeProcesses } from './fake-processes.ts';

/** Calls that can be refused. */
export type FakeCall = Exclude<
  keyof Kernel,
  | 'pid'
  | 'reapOne'
  | 'onChildSignal'
  | 'closeFd'
  | 'setBlocking'
  | 'inodeOf'
  | 'argumentsOf'
  | 'readNow'
  | 'readPipe'
  | 'withSpare'
  | 'defer'
>;

export interface FakeKernelOptions {
  /** Decides about each call before it has any effect: the name of the errno with which it fails, or null. */
  readonly refuse?: (call: FakeCall, subject: string | number) => string | null;
  /** The highest pid. With a small one, numbers are soon reused. */
  readonly maxPid?: number;
  /** Called when a process was spawned, before the supervisor receives its pid. */
  readonly onSpawn?: (process: FakeProcess) => void;
  /** Called when a socket of a running process is made blocking. */
  readonly onMadeBlocking?: (process: FakeProcess) => void;
}

/** A notification of the kernel for the supervisor. The simulation chooses time and order. */
export interface Notice {
  readonly kind: 'child_signal' | 'pidfd' | 'datagram' | 'pipe' | 'deferred';
  readonly run: () => void;
}

type Descriptor =
  | { readonly kind: 'memory' }
  | { readonly kind: 'pidfd'; readonly process: FakeProcess }
  | { readonly kind: 'read' | 'write'; readonly pipe: FakePipe }
  | { readonly kind: 'socket'; readonly path: string; readonly queue: Datagram[] };

const FIRST_FD = 100;
// net.unix.max_dgram_qlen.
const MAX_DATAGRAMS = 10;

/**
 * A kernel in memory with the calls for supervising processes. The kernel does nothing itself: the world forks, signals
 * and ends processes, and delivers the notifications to the supervisor.
 */
export class FakeKernel implements Kernel {
  readonly #options: FakeKernelOptions;
  /** Every process, zombies included. */
  readonly processes: FakeProcesses;
  readonly #descriptors = new Map<number, Descriptor>();
  /** Datagram sockets by their paths. */
  readonly #sockets = new Map<string, Extract<Descriptor, { kind: 'socket' }>>();
  readonly #watches = new Map<number, () => void>();
  readonly #signalListeners = new Set<() => void>();
  #deferred: (() => void)[] = [];
  #hasSpare = false;

  constructor(options: FakeKernelOptions = {}) {
    this.#options = options;
    this.processes = new FakeProcesses(options.maxPid);
  }

  get pid(): number {
    return this.processes.supervisor.pid;
  }

  // Actions of the world.

  /**
   * SIGKILL to the supervisor: its descriptors are closed, and init becomes the parent of its children. Another
   * supervisor follows.
   * @param isUpgrade execve(2) instead: the process, its children and their pending notifications stay
   */
  crash(isUpgrade = false): void {
    for (const descriptor of this.#descriptors.values()) {
      if (descriptor.kind === 'write') descriptor.pipe.writers -= 1;
      if (descriptor.kind !== 'read') continue;
      descriptor.pipe.readers -= 1;
      descriptor.pipe.reader = null;
    }
    this.#descriptors.clear();
    this.#sockets.clear();
    this.#watches.clear();
    this.#signalListeners.clear();
    this.#deferred = [];
    // A SIGCHLD during the exec is lost.
    if (isUpgrade) this.processes.hasChildSignal = false;
    else this.processes.replaceSupervisor();
  }

  /** Open descriptors of the supervisor. */
  get openDescriptors(): number[] {
    return [...this.#descriptors.keys()];
  }

  /** Sends a datagram to a socket of the supervisor; false if there is none, or if its queue is full. */
  notify(sender: FakeProcess, text: string, path = sender.variable('NOTIFY_SOCKET')): boolean {
    const socket = this.#sockets.get(path ?? '');
    if (!socket || socket.queue.length > MAX_DATAGRAMS) return false;
    const credentials = { pid: sender.pid, uid: 0, gid: 0 };
    socket.queue.push({ data: Buffer.from(text), sender: credentials, fds: [], truncated: false });
    return true;
  }

  /** Every pending notification for the supervisor. A descriptor stays ready until the supervisor has read it. */
  notices(): Notice[] {
    const found: Notice[] = [];
    if (this.processes.hasChildSignal && this.#signalListeners.size > 0)
      found.push({
        kind: 'child_signal',
        run: () => {
          this.processes.hasChildSignal = false;
          for (const listener of [...this.#signalListeners]) listener();
        },
      });
    for (const run of this.#deferred)
      found.push({
        kind: 'deferred',
        run: () => {
          this.#deferred = this.#deferred.filter((one) => one !== run);
          run();
        },
      });
    for (const [fd, descriptor] of this.#descriptors) {
      if (descriptor.kind === 'read') this.#pipeNotice(fd, descriptor.pipe, found);
      else if (descriptor.kind === 'pidfd' && descriptor.process.hasExited)
        this.#watchNotice(fd, 'pidfd', found);
      else if (descriptor.kind === 'socket' && descriptor.queue.length > 0)
        this.#watchNotice(fd, 'datagram', found);
    }
    return found;
  }

  /** Delivers in order until no notification is pending. */
  settle(): void {
    for (let next = this.notices()[0]; next; next = this.notices()[0]) next.run();
  }

  #watchNotice(fd: number, kind: Notice['kind'], found: Notice[]): void {
    const run = this.#watches.get(fd);
    if (run) found.push({ kind, run });
  }

  #pipeNotice(fd: number, pipe: FakePipe, found: Notice[]): void {
    const { reader } = pipe;
    if (reader === null) return;
    if (!pipe.isEmpty) {
      found.push({ kind: 'pipe', run: () => reader.data(pipe.read(65_536)) });
    } else if (pipe.writers === 0) {
      const end = () => {
        this.closeFd(fd);
        reader.end(null);
      };
      found.push({ kind: 'pipe', run: end });
    }
  }

  // The kernel as seen by the supervisor.

  spawn(request: SpawnRequest): number {
    this.#check('spawn', request.path, 'posix_spawn');
    const pipes = new Map<number, FakePipe>();
    for (const [target, fd] of request.descriptors) {
      const descriptor = this.#descriptors.get(fd);
      if (descriptor?.kind === 'write') pipes.set(target, descriptor.pipe);
    }
    const environment = request.environment.map((entry) => Buffer.from(entry));
    const comm = (request.path.split('/').at(-1) ?? '').slice(0, 15);
    const process = this.processes.spawn({ comm, environment, pipes }, request);
    this.#options.onSpawn?.(process);
    return process.pid;
  }

  reapOne(): Reaped | null {
    const zombie = this.processes.reapOne();
    if (!zombie) return null;
    return { pid: zombie.pid, status: zombie.status, usage: NO_USAGE };
  }

  onChildSignal(listener: () => void): () => void {
    this.#signalListeners.add(listener);
    return () => this.#signalListeners.delete(listener);
  }

  openPidfd(pid: number): number {
    this.#check('openPidfd', pid, 'pidfd_open');
    const process = this.processes.get(pid);
    if (!process) throw failure('pidfd_open', 'ESRCH', pid);
    return this.#open({ kind: 'pidfd', process });
  }

  sendSignal(pidfd: number, signal: string): boolean {
    signalNumber(signal);
    const descriptor = this.#descriptors.get(pidfd);
    if (descriptor?.kind !== 'pidfd') throw failure('pidfd_send_signal', 'EBADF', pidfd);
    const { process } = descriptor;
    this.#check('sendSignal', process.pid, 'pidfd_send_signal');
    if (process.reaped) return false;
    if (process.isProtected) throw failure('pidfd_send_signal', 'EPERM', process.pid);
    this.processes.signal(process, signal);
    return true;
  }

  processStat(pid: number): ProcessStat | null {
    if (this.#refusal('processStat', pid) !== null) return null;
    return this.processes.get(pid)?.stat ?? null;
  }

  listProcesses(): ProcessStat[] {
    this.#check('listProcesses', '/proc', 'scandir');
    return this.processes.all.map(({ stat }) => stat);
  }

  environmentOf(pid: number): Buffer[] {
    this.#check('environmentOf', pid, 'open');
    const process = this.processes.get(pid);
    if (!process) throw failure('open', 'ENOENT', pid);
    return process.hasExited ? [] : [...process.environment];
  }

  argumentsOf(pid: number): string[] {
    const process = this.processes.get(pid);
    return process === undefined || process.hasExited ? [] : [...(process.request?.argv ?? [])];
  }

  closeFd(fd: number): void {
    const descriptor = this.#descriptors.get(fd);
    if (!descriptor) throw failure('close', 'EBADF', fd);
    // epoll(7) would drop the watch silently, or keep it while a copy of the descriptor is open.
    if (this.#watches.has(fd)) throw new Error(`descriptor ${fd} is closed before its watch`);
    this.#descriptors.delete(fd);
    if (descriptor.kind === 'socket') this.#sockets.delete(descriptor.path);
    if (descriptor.kind === 'write') descriptor.pipe.writers -= 1;
    if (descriptor.kind !== 'read') return;
    descriptor.pipe.readers -= 1;
    descriptor.pipe.reader = null;
  }

  setBlocking(fd: number, blocking: boolean): void {
    if (!blocking) return;
    for (const process of this.processes.running) {
      const has = [...(process.request?.descriptors.values() ?? [])].includes(fd);
      // A process with a pending SIGKILL does not accept any more, also in an uninterruptible sleep.
      if (has && !process.isKilled) this.#options.onMadeBlocking?.(process);
    }
  }

  watch(fd: number, onReadable: () => void): Watch {
    this.#check('watch', fd, 'epoll_ctl');
    if (!this.#descriptors.has(fd)) throw failure('epoll_ctl', 'EBADF', fd);
    this.#watches.set(fd, onReadable);
    return { close: () => this.#watches.get(fd) === onReadable && this.#watches.delete(fd) };
  }

  openPipe(): { read: number; write: number } {
    this.#check('openPipe', '', 'pipe2');
    return this.#pipe();
  }

  openPipeOf(pid: number, fd: number, inode: number | null): number | null {
    if (this.#refusal('openPipeOf', pid) !== null) return null;
    const pipe = this.processes.get(pid)?.pipes.get(fd);
    if (!pipe || (inode !== null && pipe.inode !== inode)) return null;
    pipe.readers += 1;
    return this.#open({ kind: 'read', pipe });
  }

  inodeOf(fd: number): number {
    const descriptor = this.#descriptors.get(fd);
    if (descriptor?.kind === 'read' || descriptor?.kind === 'write') return descriptor.pipe.inode;
    throw failure('fstat', 'EBADF', fd);
  }

  openMemoryFile(name: string): number {
    this.#check('openMemoryFile', name, 'memfd_create');
    return this.#open({ kind: 'memory' });
  }

  openOutputPipe(): { read: number; childEnd: number } {
    this.#check('openOutputPipe', '', 'pipe2');
    const { read, write } = this.#pipe();
    return { read, childEnd: write };
  }

  readPipe(fd: number, events: PipeEvents): PipeReader {
    const descriptor = this.#descriptors.get(fd);
    if (descriptor?.kind !== 'read') throw failure('read', 'EBADF', fd);
    descriptor.pipe.reader = events;
    return {
      unref: () => {},
      close: () => this.#descriptors.get(fd) === descriptor && this.closeFd(fd),
    };
  }

  readNow(fd: number, chunk: Buffer): number {
    const descriptor = this.#descriptors.get(fd);
    if (descriptor?.kind !== 'read') throw failure('read', 'EBADF', fd);
    return descriptor.pipe.read(chunk.length).copy(chunk);
  }

  /** The second attempt has a free descriptor, so EMFILE and ENFILE are not injected there. */
  withSpare<Result>(act: () => Result): Result {
    try {
      return act();
    } catch (error) {
      const isExhausted = error instanceof SystemError && ['EMFILE', 'ENFILE'].includes(error.code);
      if (!isExhausted || this.#hasSpare) throw error;
      this.#hasSpare = true;
      try {
        return act();
      } finally {
        this.#hasSpare = false;
      }
    }
  }

  createDatagramSocket(path: string): number {
    this.#check('createDatagramSocket', path, 'bind');
    const socket: Extract<Descriptor, { kind: 'socket' }> = { kind: 'socket', path, queue: [] };
    this.#sockets.set(path, socket);
    return this.#open(socket);
  }

  receiveDatagram(fd: number): Datagram | null {
    this.#check('receiveDatagram', fd, 'recvmsg');
    const descriptor = this.#descriptors.get(fd);
    if (descriptor?.kind !== 'socket') throw failure('recvmsg', 'EBADF', fd);
    return descriptor.queue.shift() ?? null;
  }

  unlink(path: string): void {
    this.#check('unlink', path, 'unlink');
  }

  defer(run: () => void): void {
    this.#deferred.push(run);
  }

  #pipe(): { read: number; write: number } {
    const pipe = new FakePipe();
    pipe.readers = 1;
    pipe.writers = 1;
    return { read: this.#open({ kind: 'read', pipe }), write: this.#open({ kind: 'write', pipe }) };
  }

  /** The lowest free number (open(2)). */
  #open(descriptor: Descriptor): number {
    let fd = FIRST_FD;
    while (this.#descriptors.has(fd)) fd += 1;
    this.#descriptors.set(fd, descriptor);
    return fd;
  }

  #refusal(call: FakeCall, subject: string | number): string | null {
    const code = this.#options.refuse?.(call, subject) ?? null;
    return this.#hasSpare && (code === 'EMFILE' || code === 'ENFILE') ? null : code;
  }

  #check(call: FakeCall, subject: string | number, syscall: string): void {
    const code = this.#refusal(call, subject);
    if (code !== null) throw failure(syscall, code, subject);
  }
}

function failure(syscall: string, code: string, subject: string | number): SystemError {
  return new SystemError(syscall, errnoNumber(code), String(subject));
}
