import type { Loss } from '../../test/support/load-book.ts';

/**
 * The connections that clients may lose by a fault, because zero cannot prevent the loss. `connections`: a worker was
 * killed together with the connections that it had accepted. `ports` are the ports of the clients. `connecting`: the
 * kernel closed lanes without a worker, one after the other. A connection may have arrived in the lane of a generation
 * that had exited shortly before.
 */
export type MayLose =
  | {
      readonly kind: 'connections';
      readonly pid: number;
      readonly at: number;
      readonly ports: ReadonlySet<number>;
    }
  | { readonly kind: 'connecting'; readonly from: number; readonly to: number };

/** A fault that was caused, in milliseconds since the load began. */
export interface Caused {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  /** Null: no loss is allowed. */
  readonly mayLose: MayLose | null;
}

/** Milliseconds after the end of the fault in which a client may notice the reset of a new connection. */
const LATER = 100;

type Lost = Pick<Loss, 'at' | 'openedAt' | 'port' | 'reused'>;

/** The fault that explains a lost request; null: none. */
export function causeOf(loss: Lost, faults: readonly Caused[]): Caused | null {
  return faults.findLast(({ mayLose }) => mayLose !== null && explains(mayLose, loss)) ?? null;
}

function explains(mayLose: MayLose, { at, openedAt, port, reused }: Lost): boolean {
  if (mayLose.kind === 'connections')
    return openedAt <= mayLose.at && mayLose.at <= at && port !== null && mayLose.ports.has(port);
  return !reused && openedAt <= mayLose.to && mayLose.from <= at && at <= mayLose.to + LATER;
}

/** The cause of a lost request, as text. */
export function describeCause({ name, from, mayLose }: Caused): string {
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;
  const detail =
    mayLose?.kind === 'connections'
      ? `pid ${mayLose.pid} had accepted its connection and was killed at ${seconds(mayLose.at)}`
      : 'the kernel closed the lane of a generation that had exited less than 65 s before';
  return `${name} at ${seconds(from)}: ${detail}`;
}

/** How often zero survived each fault, in the order of the names. */
export function countFaults(faults: readonly Caused[]): [name: string, count: number][] {
  const counts = new Map<string, number>();
  for (const { name } of faults) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].sort(([one], [other]) => one.localeCompare(other));
}
