import { type ReactorWatch, reactor } from '../../linux/reactor.ts';
import { getOption } from '../../linux/sockets.ts';
import type { LaneQueue } from './lane-queue.ts';

/** What a caller waits for: a client's connection that waits in the queue, or any connection that arrives. */
export type Awaited = 'queued' | 'arrival';

/** Called once. */
export interface Caller {
  readonly call: () => void;
}

const NOBODY: readonly Caller[] = [];

/**
 * Watches one lane for three events: a connection arrives, a client's connection waits in its queue, and the socket
 * hangs up, which for a listening socket means shutdown(2). They share one watch, because epoll(7) accepts a descriptor
 * once. Many lanes of many listeners are watched at rest, so a watch is small.
 */
export class LaneWatch {
  readonly fd: number;
  readonly #queue: Pick<LaneQueue, 'clients'>;
  readonly #onHangup: ((watch: LaneWatch) => boolean) | null;
  #waiting = NOBODY;
  #arrivals = NOBODY;
  #watch: ReactorWatch | null = null;
  #closed = false;
  #mode: 'arrival' | 'hangup' | null = null;

  /**
   * Without `onHangup`, the watch starts when a caller asks for the queue.
   * @param onHangup returns whether the same socket listens again and stays watched
   */
  constructor(
    fd: number,
    queue: Pick<LaneQueue, 'clients'>,
    onHangup: ((watch: LaneWatch) => boolean) | null,
  ) {
    this.fd = fd;
    this.#queue = queue;
    this.#onHangup = onHangup;
    this.#arm();
  }

  get isListening(): boolean {
    return getOption(this.fd, 'accept_connections') === 1;
  }

  /**
   * `queued`: calls back once when a client's connection waits to be accepted; at once if one already waits. `arrival`:
   * calls back once when a connection arrives, even if it is accepted at once; soon if one already waits. So a busy
   * lane causes one call per request, not one per connection.
   */
  add(what: Awaited, caller: Caller): void {
    if (what === 'queued') this.#waiting = withOne(this.#waiting, caller);
    else {
      // An existing watch reports only new connections. Re-arming makes it report waiting connections once more.
      if (this.#mode === 'arrival') this.#watch?.change('arrival');
      this.#arrivals = withOne(this.#arrivals, caller);
    }
    this.#arm();
  }

  /** The caller does not wait any more. Does nothing after the call, and after `close`. */
  remove(caller: Caller): void {
    this.#waiting = without(this.#waiting, caller);
    this.#arrivals = without(this.#arrivals, caller);
    this.#arm();
  }

  /** Must be called before the descriptor is closed. */
  close(): void {
    this.#closed = true;
    this.#disarm();
  }

  #disarm(): void {
    this.#waiting = NOBODY;
    this.#arrivals = NOBODY;
    this.#unwatch();
  }

  #unwatch(): void {
    this.#watch?.close();
    this.#watch = null;
    this.#mode = null;
  }

  #arm(): void {
    if (this.#closed) return;
    const isAsked = this.#waiting.length > 0 || this.#arrivals.length > 0;
    const mode = isAsked ? 'arrival' : this.#onHangup === null ? null : 'hangup';
    if (mode === this.#mode) return;
    if (mode === null) this.#unwatch();
    else if (this.#watch !== null) this.#watch.change(mode);
    else this.#watch = reactor.watch(this.fd, this.#happened.bind(this), mode);
    this.#mode = mode;
  }

  #happened(): void {
    if (this.#mode === 'hangup' || !this.isListening) {
      // The socket stays hung up until it is repaired.
      this.#unwatch();
      // Callers may come and go meanwhile.
      if (this.#onHangup?.(this) === true) this.#arm();
      else this.#disarm();
      return;
    }
    const [queue, arrivals] = [this.#waiting, this.#arrivals];
    this.#arrivals = NOBODY;
    // A queue that holds only zero's own connections stays readable. The next arrival is a separate event.
    const hasClients = queue.length > 0 && this.#hasClients();
    // A client's connection may wait a long time. One call is enough.
    if (hasClients) this.#waiting = NOBODY;
    this.#arm();
    for (const { call } of arrivals) call();
    if (hasClients) for (const { call } of queue) call();
  }

  /** A queue that cannot be read counts as one with clients, so that none is overlooked. */
  #hasClients(): boolean {
    try {
      return this.#queue.clients() > 0;
    } catch {
      return true;
    }
  }
}

/** The result of a filter has room for more elements, so it is not taken where nothing changes. */
function without(callers: readonly Caller[], caller: Caller): readonly Caller[] {
  if (!callers.includes(caller)) return callers;
  const left = callers.filter((other) => other !== caller);
  return left.length === 0 ? NOBODY : left;
}

/** A literal has no room for more elements, unlike the result of a spread. */
function withOne(callers: readonly Caller[], caller: Caller): readonly Caller[] {
  return callers.length === 0 ? [caller] : [...callers, caller];
}
