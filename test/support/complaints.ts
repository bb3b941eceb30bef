import type { Fact } from '../../src/lifecycle/facts.ts';
import type { Zero } from './zero.ts';

type Level = 'warn' | 'error';

/** The log lines of these levels so far, oldest first. */
export function complaints(
  zero: Pick<Zero, 'log'>,
  levels: readonly Level[] = ['warn', 'error'],
  from = 0,
): Fact[] {
  return zero.log.facts.slice(from).filter((fact) => levels.includes(Reflect.get(fact, 'level')));
}
