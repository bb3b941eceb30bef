import type { FactLog } from './fact-log.ts';

export interface Dropped {
  readonly lines: number;
  readonly bytes: number;
}

/** The standard output that zero has reported as dropped so far. */
export function dropped(log: FactLog): Dropped {
  const facts = log.all('output_dropped', { stream: 'stdout' });
  return {
    lines: facts.reduce((total, { lines }) => total + lines, 0),
    bytes: facts.reduce((total, { bytes }) => total + bytes, 0),
  };
}

/** Waits until that many bytes were reported as dropped, in any number of reports. Returns the sum. */
export async function droppedInTotal(log: FactLog, bytes: number): Promise<Dropped> {
  while (dropped(log).bytes < bytes) await log.fact('output_dropped', { stream: 'stdout' }, log.cursor);
  return dropped(log);
}
