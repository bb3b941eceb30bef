import type { FactLog } from './fact-log.ts';

export interface Dropped {
  readonly lines: number;
  readonly bytes: number;
}

/** What zero has reported so far as dropped of its standard output. */
export function dropped(log: FactLog): Dropped {
  const facts = log.all('output_dropped', { stream: 'stdout' });
  return {
    lines: facts.reduce((total, { lines }) => total + lines, 0),
    bytes: facts.reduce((total, { bytes }) => total + bytes, 0),
  };
}

/** Waits until that many bytes were reported as dropped, in however many reports, and returns what was reported. */
export async function droppedInTotal(log: FactLog, bytes: number): Promise<Dropped> {
  while (dropped(log).bytes < bytes) await log.fact('output_dropped', { stream: 'stdout' }, log.cursor);
  return dropped(log);
}
