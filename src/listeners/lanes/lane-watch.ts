import { type ReactorWatch, reactor } from '../../linux/reactor.ts';

/** The socket of a lane and its state in the kernel. */
interface WatchedSocket {
  readonly fd: number;
  readonly isListening: () => boolean;
  /** Whether connections of clients wait. Throws SystemError. */
  readonly hasClients: () => boolean;
}

/**
 * Watches one lane for three events: a connection arrives, a client's connection waits in its queue, and the socket
 * hangs up, which for a listening socket means shutdown(2). They share one watch, because epoll(7) accepts a descriptor
 * once.
 */
export class LaneWatch {
  readonly #socket: WatchedSocket;
  readonly #onHangup: (() => boolean) | null;
  readonly #waiting = new Set<() => void>();
  readonly #arrivals = new Set<() => void>();
  #watch: ReactorWatch | null = null;
  #closed = false;
  #mode: 'arrival' | 'hangup' | null = null;

  /**
   * Without `onHangup`, the watch starts when a caller asks for the queue.
   * @param onHangup returns whether the same socket listens again and stays watched
   */
  constructor(socket: WatchedSocket, onHangup: (() => boolean) | null) {
    this.#socket = socket;
    this.#onHangup = onHangup;
    this.#arm();
  }

  /** Calls back once when a client's connection waits to be accepted; at once if one already waits. */
  onQueued(call: () => void): { close(): void } {
    return this.#add(this.#waiting, call);
  }

  /**
   * Calls back once when a connection arrives, even if it is accepted at once. If one already waits, calls back soon.
   * So a busy lane causes one call per request, not one per connection.
   */
  onArrival(call: () => void): { close(): void } {
    // An existing watch reports only new connections. Re-arming makes it report waiting connections once more.
    if (this.#mode === 'arrival') this.#watch?.change('arrival');
    return this.#add(this.#arrivals, call);
  }

  #add(calls: Set<() => void>, call: () => void): { close(): void } {
    const once = () => call();
    calls.add(once);
    this.#arm();
    return {
      close: () => {
        calls.delete(once);
        this.#arm();
      },
    };
  }

  /** Must be called before the descriptor is closed. */
  close(): void {
    this.#closed = true;
    this.#disarm();
  }

  #disarm(): void {
    this.#waiting.clear();
    this.#arrivals.clear();
    this.#unwatch();
  }

  #unwatch(): void {
    this.#watch?.close();
    this.#watch = null;
    this.#mode = null;
  }

  #arm(): void {
    if (this.#closed) return;
    const isAsked = this.#waiting.size > 0 || this.#arrivals.size > 0;
    const mode = isAsked ? 'arrival' : this.#onHangup === null ? null : 'hangup';
    if (mode === this.#mode) return;
    if (mode === null) this.#unwatch();
    else if (this.#watch !== null) this.#watch.change(mode);
    else this.#watch = reactor.watch(this.#socket.fd, () => this.#happened(), mode);
    this.#mode = mode;
  }

  #happened(): void {
    const queue = [...this.#waiting];
    const arrivals = [...this.#arrivals];
    if (this.#mode === 'hangup' || !this.#socket.isListening()) {
      // The socket stays hung up until it is repaired.
      this.#disarm();
      if (this.#onHangup?.() !== true) return;
      for (const call of queue) this.#waiting.add(call);
      for (const call of arrivals) this.#arrivals.add(call);
      this.#arm();
      return;
    }
    this.#arrivals.clear();
    // A queue that holds only zero's own connections stays readable. The next arrival is a separate event.
    const hasClients = queue.length > 0 && this.#hasClients();
    // A client's connection may wait a long time. One call is enough.
    if (hasClients) this.#waiting.clear();
    this.#arm();
    for (const call of arrivals) call();
    if (hasClients) for (const call of queue) call();
  }

  /** A queue that cannot be read counts as one with clients, so that none is overlooked. */
  #hasClients(): boolean {
    try {
      return this.#socket.hasClients();
    } catch {
      return true;
    }
  }
}
