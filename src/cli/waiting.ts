import type { FactDocument } from '../control/protocol.ts';
import { renderFact } from './render/progress.ts';
import { duration, painter, type Terminal } from './render/style.ts';

export interface Clock {
  now(): number;
  /** Calls again and again; the function that is returned ends that. */
  every(ms: number, run: () => void): () => void;
}

export const processClock: Clock = {
  now: () => performance.now(),
  every(ms, run) {
    const timer = setInterval(run, ms);
    return () => clearInterval(timer);
  },
};

export interface Waiting {
  tell(fact: FactDocument): void;
  end(): void;
}

// ECMA-48: erase the rest of the line.
const ERASE = '\r\u001b[K';

/** Shows on a terminal what happens while a command waits, and for how long it has; elsewhere nothing. */
export function showWaiting(terminal: Terminal, clock: Clock): Waiting {
  if (!terminal.interactive) return { tell: () => {}, end: () => {} };
  const paint = painter(terminal.errColour);
  const since = clock.now();
  const elapsed = () => duration(Math.floor((clock.now() - since) / 1000) * 1000).padStart(6);
  const stop = clock.every(1000, () => terminal.err(`${ERASE}${paint('faint', `${elapsed()}  ...`)}`));
  return {
    tell(fact) {
      const line = renderFact(fact);
      if (line !== null) terminal.err(`${ERASE}${paint('faint', elapsed())}  ${line}\n`);
    },
    end() {
      stop();
      terminal.err(ERASE);
    },
  };
}
