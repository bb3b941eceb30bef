import type { Loss } from '../../test/support/load-book.ts';

/** A fault that was caused, in milliseconds since the load began. */
export interface Caused {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  /** Requests that a process has accepted are lost with it. */
  readonly mayLose: boolean;
}

/** How long after the end of a fault a client may notice what it lost by it. */
const LATER = 1_000;

/** The fault that explains a lost request; null where none does. The newest one where there are several. */
export function causeOf({ at }: Pick<Loss, 'at'>, faults: readonly Caused[]): Caused | null {
  return faults.findLast(({ mayLose, from, to }) => mayLose && from <= at && at <= to + LATER) ?? null;
}

/** How often each fault was survived, in the order of the names. */
export function countFaults(faults: readonly Caused[]): [name: string, count: number][] {
  const counts = new Map<string, number>();
  for (const { name } of faults) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].sort(([one], [other]) => one.localeCompare(other));
}
