import { reactor, type Watch } from '../linux/reactor.ts';

/**
 * What happens to one lane: that a connection waits in its queue, and that it has hung up, which for a listening socket means shutdown(2).
 * One watch for both, because epoll(7) takes a descriptor once.
 */
export class LaneWatch {
  readonly #fd: number;
  readonly #onHangup: (() => boolean) | null;
  readonly #isListening: () => boolean;
  readonly #waiting = new Set<() => void>();
  #watch: Watch | null = null;
  #closed = false;
  #mode: 'readable' | 'hangup' | null = null;

  /**
   * Without `onHangup` nothing is watched until somebody asks for the queue.
   * @param onHangup returns whether the same socket listens again, and is to be watched on
   */
  constructor(fd: number, isListening: () => boolean, onHangup: (() => boolean) | null) {
    this.#fd = fd;
    this.#isListening = isListening;
    this.#onHangup = onHangup;
    this.#arm();
  }

  /** Calls back once, when a connection waits to be accepted, at once if one does already. */
  onQueued(call: () => void): { close(): void } {
    const once = () => call();
    this.#waiting.add(once);
    this.#arm();
    return {
      close: () => {
        this.#waiting.delete(once);
        this.#arm();
      },
    };
  }

  /** Must come before the descriptor is closed. */
  close(): void {
    this.#closed = true;
    this.#disarm();
  }

  #disarm(): void {
    this.#waiting.clear();
    this.#watch?.close();
    this.#watch = null;
    this.#mode = null;
  }

  #arm(): void {
    if (this.#closed) return;
    const mode = this.#waiting.size > 0 ? 'readable' : this.#onHangup === null ? null : 'hangup';
    if (mode === this.#mode) return;
    this.#watch?.close();
    this.#mode = mode;
    this.#watch = mode === null ? null : reactor.watch(this.#fd, () => this.#happened(), mode);
  }

  #happened(): void {
    const queue = [...this.#waiting];
    if (this.#mode === 'hangup' || !this.#isListening()) {
      // It stays hung up until somebody mends it.
      this.#disarm();
      if (this.#onHangup?.() !== true) return;
      for (const call of queue) this.#waiting.add(call);
      this.#arm();
      return;
    }
    // The queue stays readable until somebody accepts, which may take long: told once.
    this.#waiting.clear();
    this.#arm();
    for (const call of queue) call();
  }
}
