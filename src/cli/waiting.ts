import type { FactDocument } from '../control/protocol.ts';
import { fold } from './render/columns.ts';
import { HandoverProgress } from './render/handover-progress.ts';
import { painter, seconds, type Terminal } from './render/style.ts';

export interface Clock {
  now(): number;
  /** Calls repeatedly until the returned function is called. */
  every(ms: number, run: () => void): () => void;
  /** Calls once. */
  after(ms: number, run: () => void): void;
}

export const processClock: Clock = {
  now: () => performance.now(),
  every(ms, run) {
    const timer = setInterval(run, ms);
    return () => clearInterval(timer);
  },
  after: (ms, run) => void setTimeout(run, ms),
};

export interface Waiting {
  tell(fact: FactDocument): void;
  /** Shows a line that is not an event. */
  note(text: string): void;
  end(): void;
}

// ECMA-48: erase the rest of the line.
const ERASE = '\r\u001b[K';
const WIDTH = 80;
/** Columns of the time before each line, with two spaces. */
const MARGIN = 8;

/**
 * Shows events on a terminal while a command waits, and in the last line the current step with its duration. Without a
 * terminal it shows nothing.
 */
export function showWaiting(terminal: Terminal, clock: Clock): Waiting {
  if (!terminal.interactive) return { tell: () => {}, note: () => {}, end: () => {} };
  const paint = painter(terminal.errColour);
  const progress = new HandoverProgress();
  const since = clock.now();
  const elapsed = () => `${seconds(clock.now() - since).padStart(MARGIN - 2)}  `;
  // One column stays free, because a terminal may wrap as soon as the last column is written.
  const current = () => `${elapsed()}${progress.current(clock.now())}`.slice(0, WIDTH - 1);
  const draw = () => terminal.err(`${ERASE}${paint('faint', current())}`);
  const show = (text: string) => {
    const [first = '', ...rest] = fold(text, WIDTH - MARGIN, '');
    const lines = [`${paint('faint', elapsed())}${first}`, ...rest.map((line) => ' '.repeat(MARGIN) + line)];
    terminal.err(`${ERASE}${lines.join('\n')}\n`);
  };
  const stop = clock.every(1000, draw);
  return {
    tell(fact) {
      const text = progress.tell(fact, clock.now());
      if (text !== null) show(text);
      draw();
    },
    note(text) {
      show(text);
      draw();
    },
    end() {
      stop();
      terminal.err(ERASE);
    },
  };
}
