import type { Loss } from '../../test/support/load-book.ts';

/**
 * What clients may lose by a fault. `requests`: those that a process had accepted are lost with it. `connecting`: while the kernel closes
 * lanes one after the other, a connection can still come into one that is closed next.
 */
export type MayLose = 'nothing' | 'connecting' | 'requests';

/** A fault that was caused, in milliseconds since the load began. */
export interface Caused {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly mayLose: MayLose;
}

/** How long after the end of a fault a client may notice what it lost by it. */
const LATER = 1_000;

/** The fault that explains a lost request; null where none does. The newest one where there are several. */
export function causeOf(
  { at, detail }: Pick<Loss, 'at' | 'detail'>,
  faults: readonly Caused[],
): Caused | null {
  const isConnecting = detail.startsWith('connect ');
  const explains = ({ mayLose, from, to }: Caused): boolean =>
    from <= at && at <= to + LATER && (mayLose === 'requests' || (mayLose === 'connecting' && isConnecting));
  return faults.findLast(explains) ?? null;
}

/** How often each fault was survived, in the order of the names. */
export function countFaults(faults: readonly Caused[]): [name: string, count: number][] {
  const counts = new Map<string, number>();
  for (const { name } of faults) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].sort(([one], [other]) => one.localeCompare(other));
}
