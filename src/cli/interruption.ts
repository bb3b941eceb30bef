import type { CommandContext } from './with-instance.ts';

/** Milliseconds to wait for the acceptance of a request after Ctrl-C. */
const GRACE = 1_000;

/**
 * Ctrl-C for a command that sends a request. It ends the request once zero has accepted it, or after a second without
 * an answer. If it ended the request at once, the command could not tell whether zero has received it.
 */
export class Interruption {
  readonly #interrupted: AbortSignal;
  readonly #clock: CommandContext['clock'];
  readonly #controller = new AbortController();
  #isAccepted = false;
  #stopWaiting = () => {};

  constructor({ interrupted, clock }: Pick<CommandContext, 'interrupted' | 'clock'>) {
    this.#interrupted = interrupted;
    this.#clock = clock;
    if (interrupted.aborted) this.#interrupt();
    else interrupted.addEventListener('abort', this.#interrupt);
  }

  /** Ends the request. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get isAccepted(): boolean {
    return this.#isAccepted;
  }

  /** Ctrl-C, and zero has accepted the request: zero continues, and the command does not wait any more. */
  get isDetached(): boolean {
    return this.#isAccepted && this.#interrupted.aborted;
  }

  /** zero has accepted the request. */
  accepted(): void {
    this.#isAccepted = true;
    if (this.#interrupted.aborted) this.#abort();
  }

  /** The request has ended. */
  end(): void {
    this.#interrupted.removeEventListener('abort', this.#interrupt);
    this.#stopWaiting();
  }

  readonly #interrupt = (): void => {
    if (this.#isAccepted) this.#abort();
    else this.#stopWaiting = this.#clock.every(GRACE, () => this.#abort());
  };

  #abort(): void {
    this.#controller.abort(this.#interrupted.reason);
  }
}
