/** A process cannot handle these (signal(7)); Node reports EINVAL. */
const DEADLY = new Set(['SIGKILL', 'SIGSTOP']);

type Emit = (name: string | symbol, ...args: unknown[]) => boolean;

export interface Held {
  /**
   * Called for the first signal. The program's own handlers run when the promise settles. Without such handlers the
   * process exits then.
   * @param programStops whether the program has a handler of its own
   */
  finish(signal: string, programStops: boolean): Promise<void>;
  /** The program has added a handler before any signal arrived. */
  onHandler(): void;
}

/**
 * The signals that stop a process. While they are held, a signal reaches the program's own handlers only after its
 * connections have finished, so a handler that closes or exits loses no request. As for blocked signals (signal(7)),
 * several signals of one kind count as one. Create this object before the program adds a handler: Node calls the `emit`
 * that `process` had when the first handler was added.
 */
export class ShutdownSignals {
  readonly #signals: readonly NodeJS.Signals[];
  readonly #pending = new Map<NodeJS.Signals, unknown[]>();
  readonly #own = (): void => undefined;
  readonly #noteHandler = (name: string | symbol, handler: unknown): void => {
    if (this.#isHeld(name) && handler !== this.#own) this.#held?.onHandler();
  };
  #held: Held | null = null;

  constructor(signals: readonly string[]) {
    this.#signals = signals.filter((name) => !DEADLY.has(name)) as NodeJS.Signals[];
    const emit = process.emit as Emit;
    const replaced: Emit = (name, ...args) =>
      this.#isHeld(name) ? this.#hold(name, args) : Reflect.apply(emit, process, [name, ...args]);
    process.emit = replaced as unknown as typeof process.emit;
    for (const signal of this.#signals) addAgain(signal);
  }

  /** Whether the program has handlers for all of the signals, or for some. */
  get programStops(): boolean {
    return this.#signals.some((signal) => this.#isHeard(signal));
  }

  /** Holds the signals from now on. */
  hold(held: Held): void {
    if (this.#held !== null) return;
    this.#held = held;
    process.on('newListener', this.#noteHandler);
    // Without a handler the signal would end the process at once.
    for (const signal of this.#signals) process.on(signal, this.#own);
  }

  #isHeld(name: string | symbol): name is NodeJS.Signals {
    return this.#held !== null && this.#signals.includes(name as NodeJS.Signals);
  }

  #isHeard(signal: NodeJS.Signals): boolean {
    return process.listeners(signal).some((listener) => listener !== this.#own);
  }

  #hold(signal: NodeJS.Signals, args: unknown[]): boolean {
    const first = this.#pending.size === 0;
    this.#pending.set(signal, args);
    process.off('newListener', this.#noteHandler);
    // An error in a handler counts as an error of the program, not of a promise.
    if (first)
      void this.#held
        ?.finish(signal, this.#isHeard(signal))
        .finally(() => process.nextTick(() => this.#release()));
    return true;
  }

  /**
   * Delivers the signals as if they arrived now and were never held. Libraries such as signal-exit count the handlers.
   */
  #release(): void {
    const heard = [...this.#pending].filter(([signal]) => this.#isHeard(signal));
    if (heard.length === 0) process.exit();
    this.#held = null;
    for (const signal of this.#signals) process.off(signal, this.#own);
    for (const [signal, args] of heard) (process.emit as Emit)(signal, ...args);
  }
}

/**
 * Re-adds handlers that a module added before this one was loaded: Node calls its own copy of `emit` for them until the
 * last one is removed.
 */
function addAgain(signal: NodeJS.Signals): void {
  const handlers = process.rawListeners(signal) as NodeJS.SignalsListener[];
  process.removeAllListeners(signal);
  for (const handler of handlers) process.on(signal, handler);
}
