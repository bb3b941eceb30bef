import { MAX_TIMER } from '../../common/clock.ts';
/**
 * Messages between the primary of a cluster and its workers. Messages with a `cmd` that starts with NODE_ are separate
 * events (`internalMessage`) and do not reach the program's handlers of `message` (child_process, `subprocess.send`).
 */
export const DRAIN = 'NODE_ZERODOWN_DRAIN';
export const DRAINED = 'NODE_ZERODOWN_DRAINED';

export interface DrainMessage {
  readonly cmd: typeof DRAIN;
  readonly timeoutMs: number;
  readonly idleMs: number;
}

/** The variable with which the primary passes its specification to a worker of the cluster. */
export const CLUSTER_WORKER = 'ZERO_CLUSTER_WORKER';

/** Settles as the promise does, or resolves after this time, in ms. */
export async function within(ms: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise((resolve) => {
    timer = setTimeout(resolve, Math.min(ms, MAX_TIMER));
  });
  await Promise.race([promise, over]).finally(() => clearTimeout(timer));
}
