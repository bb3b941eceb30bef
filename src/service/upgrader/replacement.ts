import { UpgradeError } from '../upgrade-error.ts';
import { NewProcess, type Prepared } from './new-process.ts';
import type { ParentLink } from './parent-link.ts';
import type { UpgradeDurations } from './report.ts';

export interface ReplacementOptions {
  readonly timeoutMs: number;
  readonly probationMs: number;
  /** The process that this one has replaced, which has to have let go first: no more than two accept. */
  readonly parent: ParentLink | null;
  /** Rejects when the upgrade is not wanted any more. */
  readonly stopped: Promise<never>;
  /** What is started, and what it gets; looked at as late as possible. Throws what is wrong. */
  prepare(): Promise<Prepared>;
}

/** The new process is in charge. */
export interface Replaced {
  readonly process: NewProcess;
  readonly durations: UpgradeDurations;
}

/** The new process did not take over, and is gone. */
export class ReplacementFailed extends Error {
  readonly reason: unknown;
  /** Its pid when it had been told to take over, and may have done a part of that. */
  readonly toldToTakeOver: number | null;

  constructor(reason: unknown, toldToTakeOver: number | null) {
    super('the replacement failed', { cause: reason });
    this.reason = reason;
    this.toldToTakeOver = toldToTakeOver;
  }
}

/** Starts the new process, waits until it is ready, watches its probation and lets it take over. Rejects with ReplacementFailed. */
export async function replace(options: ReplacementOptions): Promise<Replaced> {
  const watch = new Stopwatch();
  let process: NewProcess | null = null;
  let step: 'waiting' | 'starting' | 'ready' | 'taking over' = 'waiting';
  const { timeoutMs, probationMs, parent, stopped } = options;
  try {
    if (parent !== null) await within(timeoutMs, () => parentHolds(timeoutMs), [parent.whenLetGo(), stopped]);
    const waitedMs = watch.lap();
    const prepared = await options.prepare();
    step = 'starting';
    const started = await NewProcess.start(prepared);
    process = started;
    const { failure } = started;
    let startMs = 0;
    const ready = started.said('hello').then(() => {
      startMs = watch.lap();
      return started.said('ready');
    });
    await within(timeoutMs, () => timedOut(started.pid, 'ready', timeoutMs), [ready, failure, stopped]);
    const readyMs = watch.lap();
    step = 'ready';
    if (probationMs > 0) await within(probationMs, null, [failure, stopped]);
    const lastedMs = watch.lap();
    step = 'taking over';
    started.takeOver();
    const tookOver = started.said('took_over');
    await within(timeoutMs, () => timedOut(started.pid, 'in charge', timeoutMs), [
      tookOver,
      failure,
      stopped,
    ]);
    const durations = { waitedMs, startMs, readyMs, probationMs: lastedMs, totalMs: watch.total };
    return { process: started, durations };
  } catch (error) {
    // One that serves may have connections.
    await process?.end(step === 'starting' ? 0 : timeoutMs);
    throw new ReplacementFailed(error, step === 'taking over' ? (process?.pid ?? null) : null);
  }
}

/** Settles as the first of them; after that time it rejects with the error, or without one resolves. */
async function within(
  ms: number,
  error: (() => UpgradeError) | null,
  promises: readonly Promise<unknown>[],
): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const time = new Promise<void>((resolve, reject) => {
    timer = setTimeout(() => (error === null ? resolve() : reject(error())), ms);
  });
  try {
    await Promise.race([...promises, time]);
  } finally {
    clearTimeout(timer);
  }
}

const parentHolds = (ms: number): UpgradeError =>
  new UpgradeError(
    'PARENT_ALIVE',
    `upgrade: the process that this one has replaced still accepts after ${ms} ms`,
  );

const timedOut = (pid: number, what: string, ms: number): UpgradeError =>
  new UpgradeError('TIMED_OUT', `upgrade: the new process (pid ${pid}) was not ${what} within ${ms} ms`);

class Stopwatch {
  readonly #begin = performance.now();
  #last = this.#begin;

  /** Since the last one. */
  lap(): number {
    const now = performance.now();
    const time = now - this.#last;
    this.#last = now;
    return time;
  }

  get total(): number {
    return performance.now() - this.#begin;
  }
}
