import { readSync, writeSync } from 'node:fs';
import { allocateMemory, call, callOnPool, releaseMemory, tryCall } from './libc.ts';
import { closeFd, SOCK_CLOEXEC, SOCK_NONBLOCK } from './sockets.ts';

export interface Watch {
  /** Ends the watch. No callback follows. Must be called before the descriptor is closed. Idempotent. */
  close(): void;
}

/** A watch of the reactor. */
export interface ReactorWatch extends Watch {
  /** Watches for another event from now on, or re-arms the same one: see Reactor.watch(). Throws SystemError. */
  change(what: keyof typeof EVENTS): void;
}

const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const EPOLLIN = 1;
const EPOLLET = 0x8000_0000;
const POLLIN = 1;
// epoll_ctl(2): EPOLLHUP and EPOLLERR are always reported.
const EVENTS = { readable: EPOLLIN, arrival: EPOLLIN + EPOLLET, hangup: 0 } as const;
// struct epoll_event is packed on x86-64 only (EPOLL_PACKED in linux/eventpoll.h).
const EVENT_SIZE = process.arch === 'x64' ? 12 : 16;
const TOKEN_OFFSET = EVENT_SIZE - 8;
const BATCH = 64;
/** A watch ends after this many failed callbacks in a row. */
const MAX_FAILURES = 10;
const WAKEUP_TOKEN = 0;
const ONE = Buffer.alloc(8);
ONE.writeBigUInt64LE(1n);

/** There are thousands of watches, so each is one object. */
class Watched implements ReactorWatch {
  readonly token: number;
  readonly fd: number;
  readonly onReadable: () => void;
  readonly #reactor: Reactor;
  failures = 0;

  constructor(reactor: Reactor, token: number, fd: number, onReadable: () => void) {
    this.#reactor = reactor;
    this.token = token;
    this.fd = fd;
    this.onReadable = onReadable;
  }

  close(): void {
    this.#reactor.unwatch(this);
  }

  change(what: keyof typeof EVENTS): void {
    this.#reactor.change(this, what);
  }
}

interface Instance {
  epoll: number;
  wakeup: number;
  // The pool thread only waits until an event is pending. poll(2) removes no event from the set, so the main thread
  // still finds edge-triggered ones, and calls no watch that was closed meanwhile.
  pollfd: bigint;
}

/**
 * Calls back when descriptors become readable (also: end-of-file, an error, the exit of a pidfd's process). All of them
 * share one epoll instance, on which one thread of libuv's pool waits while a watch exists. Watches keep the program
 * alive; after the last one it may end. A callback that throws causes an uncaught exception. One that throws ten times
 * in a row is not called again.
 */
export class Reactor {
  #instance: Instance | null = null;
  #waiting = false;
  #dispatching = false;
  #nextToken = WAKEUP_TOKEN + 1;
  readonly #watches = new Map<number, Watched>();
  // A thread that is blocked in a system call would keep process.exit() and a crash from ending the process.
  readonly #wake = () => {
    if (this.#instance) writeSync(this.#instance.wakeup, ONE);
  };

  /**
   * Calls `onReadable` when `fd` has hung up or failed, and:
   * - `readable`: as long as data can be read
   * - `arrival`: once at the start if data can be read, then each time that more arrives
   * - `hangup`: on no other event, so a listening socket whose connections another process accepts does not wake zero
   *
   * Throws SystemError (EBADF, EPERM, EEXIST).
   */
  watch(fd: number, onReadable: () => void, what: keyof typeof EVENTS = 'readable'): ReactorWatch {
    this.#instance ??= this.#open();
    const token = this.#nextToken++;
    try {
      call('epoll_ctl', this.#instance.epoll, EPOLL_CTL_ADD, fd, event(token, EVENTS[what]));
    } catch (error) {
      this.#proceed();
      throw error;
    }
    const watched = new Watched(this, token, fd, onReadable);
    this.#watches.set(token, watched);
    this.#proceed();
    return watched;
  }

  /** Ends every watch. The reactor can be used again. */
  close(): void {
    for (const watch of [...this.#watches.values()]) watch.close();
  }

  /** For ReactorWatch.change. */
  change({ token, fd }: Watched, what: keyof typeof EVENTS): void {
    if (!this.#watches.has(token) || !this.#instance) return;
    call('epoll_ctl', this.#instance.epoll, EPOLL_CTL_MOD, fd, event(token, EVENTS[what]));
  }

  /** For Watch.close. */
  unwatch({ token, fd }: Watched): void {
    if (!this.#instance || !this.#watches.delete(token)) return;
    // Closing a descriptor first has already removed it from the set (epoll(7)).
    tryCall(['EBADF', 'ENOENT'], 'epoll_ctl', this.#instance.epoll, EPOLL_CTL_DEL, fd, null);
    if (this.#watches.size === 0 && this.#waiting) this.#wake();
  }

  #open(): Instance {
    const epoll = call('epoll_create1', SOCK_CLOEXEC);
    const wakeup = call('eventfd', 0, SOCK_CLOEXEC | SOCK_NONBLOCK);
    call('epoll_ctl', epoll, EPOLL_CTL_ADD, wakeup, event(WAKEUP_TOKEN, EPOLLIN));
    process.on('exit', this.#wake);
    return { epoll, wakeup, pollfd: allocateMemory(pollRequest(epoll)) };
  }

  // Waits again, or releases everything if no watch exists.
  #proceed(): void {
    const instance = this.#instance;
    if (!instance || this.#waiting || this.#dispatching) return;
    if (this.#watches.size > 0) {
      this.#waiting = true;
      callOnPool('poll', [instance.pollfd, 1, -1], () => {
        this.#waiting = false;
        this.#dispatch(instance);
      });
      return;
    }
    this.#instance = null;
    process.off('exit', this.#wake);
    closeFd(instance.epoll);
    closeFd(instance.wakeup);
    releaseMemory(instance.pollfd);
  }

  #deliver(token: number): void {
    const watch = this.#watches.get(token);
    if (!watch) return;
    try {
      watch.onReadable();
      watch.failures = 0;
    } catch (error) {
      watch.failures += 1;
      // Level-triggered: a descriptor that its callback cannot read would be reported forever.
      if (watch.failures >= MAX_FAILURES) watch.close();
      // The kernel reports an edge once: an exception in one callback must not prevent the others.
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  #dispatch(instance: Instance): void {
    const events = Buffer.alloc(EVENT_SIZE * BATCH);
    this.#dispatching = true;
    try {
      const count = call('epoll_wait', instance.epoll, events, BATCH, 0);
      for (let index = 0; index < count; index += 1) {
        const token = Number(events.readBigUInt64LE(index * EVENT_SIZE + TOKEN_OFFSET));
        if (token === WAKEUP_TOKEN) readSync(instance.wakeup, Buffer.alloc(8));
        else this.#deliver(token);
      }
    } finally {
      this.#dispatching = false;
      this.#proceed();
    }
  }
}

function event(token: number, events: number): Buffer {
  const bytes = Buffer.alloc(EVENT_SIZE);
  bytes.writeUInt32LE(events, 0);
  bytes.writeBigUInt64LE(BigInt(token), TOKEN_OFFSET);
  return bytes;
}

/** struct pollfd of poll(2). */
function pollRequest(fd: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeInt32LE(fd, 0);
  bytes.writeInt16LE(POLLIN, 4);
  return bytes;
}

/** The program's one reactor. */
export const reactor: Reactor = new Reactor();
