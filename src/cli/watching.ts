import { CommandError, EXIT } from './exit-code.ts';
import type { Terminal } from './render/style.ts';
import type { Clock } from './waiting.ts';

/** Minimum time between two requests, in ms, however many events arrive. */
const PAUSE = 200;
/**
 * Milliseconds between two requests without an event: times and counts grow, and an event may precede the subscription.
 */
const REFRESH = 1000;

/** `--watch` redraws in place, which needs a terminal unless it prints documents. Throws CommandError. */
export function requireTerminal(json: boolean, terminal: Terminal): void {
  if (!json && terminal.size() === null)
    throw new CommandError(
      EXIT.usage,
      '--watch needs a terminal. Add --json to print a document for each change instead',
    );
}

/**
 * Prints one document per change, each on one line.
 * @param volatile fields that change with time alone
 */
export function documentPrinter(
  print: (text: string) => void,
  volatile: ReadonlySet<string>,
): (document: object) => void {
  let last = '';
  return (document) => {
    const lasting = JSON.stringify(document, (key, value) => (volatile.has(key) ? undefined : value));
    if (lasting !== last) print(`${JSON.stringify(document)}\n`);
    last = lasting;
  };
}

/** Wakes a watching command at an event or after a second, with a minimum pause in between. */
export class Wake {
  readonly #clock: Clock;
  readonly #stop: () => void;
  #woken = false;
  #paused = false;
  #resume: () => void = () => {};
  over = false;

  constructor(clock: Clock, terminal: Terminal) {
    this.#clock = clock;
    const ends = [clock.every(REFRESH, () => this.up()), terminal.resized(() => this.up())];
    this.#stop = () => {
      for (const end of ends) end();
    };
  }

  up(): void {
    this.#woken = true;
    if (!this.#paused) this.#resume();
  }

  /** Called when no more events follow. */
  finish(): void {
    this.over = true;
    this.#woken = true;
    this.#resume();
  }

  async next(): Promise<void> {
    if (!this.over) await this.#pause();
    if (!this.#woken) await new Promise<void>((resolve) => this.#resumeWith(resolve));
    this.#woken = false;
  }

  #pause(): Promise<void> {
    this.#paused = true;
    return new Promise((resolve) => {
      const end = () => {
        this.#paused = false;
        resolve();
      };
      this.#resumeWith(end);
      this.#clock.after(PAUSE, end);
    });
  }

  #resumeWith(resume: () => void): void {
    this.#resume = resume;
  }

  end(): void {
    this.#stop();
  }
}
