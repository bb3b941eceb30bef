import type { Fact } from '../../src/lifecycle/facts.ts';
import type { Zero } from './zero.ts';

type Level = 'warn' | 'error';

/** What zero complained about so far, the oldest first: its log lines of these levels. */
export function complaints(
  zero: Pick<Zero, 'log'>,
  levels: readonly Level[] = ['warn', 'error'],
  from = 0,
): Fact[] {
  return zero.log.facts.slice(from).filter((fact) => levels.includes(Reflect.get(fact, 'level')));
}
