/** Nobody can listen for these (signal(7)), and Node says EINVAL. */
const DEADLY = new Set(['SIGKILL', 'SIGSTOP']);

type Emit = (name: string | symbol, ...args: unknown[]) => boolean;

export interface Held {
  /**
   * Called for the first signal. The program's own handlers run when the promise settles; where there are none the
   * process exits then.
   * @param programStops whether the program has a handler of its own
   */
  finish(signal: string, programStops: boolean): Promise<void>;
  /** The program has added a handler of its own, before any signal came. */
  onHandler(): void;
}

/**
 * The signals on which a process has to stop. Once they are held, a signal that comes reaches the program's own
 * handlers only when its connections are done: whatever these handlers close or end then loses no request. As of
 * blocked signals (signal(7)), several of one kind are one. Create it before the program adds a handler: Node calls
 * the `emit` that `process` had when the first one was added.
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

  /** Whether the program has handlers of its own for all of the signals, or for some. */
  get programStops(): boolean {
    return this.#signals.some((signal) => this.#isHeard(signal));
  }

  /** From now on the signals are held. */
  hold(held: Held): void {
    if (this.#held !== null) return;
    this.#held = held;
    process.on('newListener', this.#noteHandler);
    // By default the signal would end the process at once.
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
    // An error that a handler throws is the program's, not that of a promise.
    if (first)
      void this.#held
        ?.finish(signal, this.#isHeard(signal))
        .finally(() => process.nextTick(() => this.#release()));
    return true;
  }

  /** As if the signals came now, and nobody had held them: libraries such as signal-exit count the handlers. */
  #release(): void {
    const heard = [...this.#pending].filter(([signal]) => this.#isHeard(signal));
    if (heard.length === 0) process.exit();
    this.#held = null;
    for (const signal of this.#signals) process.off(signal, this.#own);
    for (const [signal, args] of heard) (process.emit as Emit)(signal, ...args);
  }
}

/**
 * Handlers that were added before, by a module loaded earlier: Node calls its own copy of `emit` for them until the
 * last one is removed.
 */
function addAgain(signal: NodeJS.Signals): void {
  const handlers = process.rawListeners(signal) as NodeJS.SignalsListener[];
  process.removeAllListeners(signal);
  for (const handler of handlers) process.on(signal, handler);
}
