import { CommandError, EXIT } from './exit-code.ts';
import type { Terminal } from './render/style.ts';
import type { Clock } from './waiting.ts';

/** Nothing is asked for sooner than this after the last time, however much happens. */
const PAUSE = 200;
/** Times and counts grow without an event; and one may come before they are followed. */
const REFRESH = 1000;

/** `--watch` draws in place, unless it prints documents. Throws CommandError. */
export function requireTerminal(json: boolean, terminal: Terminal): void {
  if (!json && terminal.size() === null)
    throw new CommandError(
      EXIT.usage,
      '--watch needs a terminal: without one add --json, which prints a document for each change',
    );
}

/**
 * Prints a document in one line for each change.
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

/** What a command waits for that watches: an event or the next second, and never twice within a pause. */
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

  /** Nothing more comes. */
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
