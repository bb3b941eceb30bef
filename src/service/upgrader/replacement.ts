import { formatDuration } from '../../common/duration.ts';
import { UpgradeError } from '../upgrade-error.ts';
import { NewProcess, type Prepared } from './new-process.ts';
import type { ParentLink } from './parent-link.ts';
import type { UpgradeDurations } from './report.ts';

export interface ReplacementOptions {
  readonly timeoutMs: number;
  readonly probationMs: number;
  /**
   * The process that this one replaced. It must have released its sockets first, so that at most two processes accept.
   */
  readonly parent: ParentLink | null;
  /** Rejects when the upgrade is cancelled. */
  readonly stopped: Promise<never>;
  /** Prepares the program, its state and its descriptors as late as possible. Throws the reason if that fails. */
  prepare(): Promise<Prepared>;
}

/** The new process is in charge. */
export interface Replaced {
  readonly process: NewProcess;
  readonly durations: UpgradeDurations;
}

/** The new process did not take over and has exited. */
export class ReplacementFailed extends Error {
  readonly reason: unknown;
  /** The pid of the new process if it was asked to take over, and may have done so in part; otherwise null. */
  readonly askedToTakeOver: number | null;

  constructor(reason: unknown, askedToTakeOver: number | null) {
    super('the replacement failed', { cause: reason });
    this.reason = reason;
    this.askedToTakeOver = askedToTakeOver;
  }
}

/**
 * Starts the new process, waits until it is ready, watches its probation and lets it take over. Rejects with
 * ReplacementFailed.
 */
export async function replace(options: ReplacementOptions): Promise<Replaced> {
  const watch = new Stopwatch();
  let process: NewProcess | null = null;
  let step: 'waiting' | 'starting' | 'ready' | 'taking over' = 'waiting';
  const { timeoutMs, probationMs, parent, stopped } = options;
  try {
    if (parent !== null)
      await within(timeoutMs, () => parentHolds(timeoutMs), [parent.whenReleased(), stopped]);
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
    // A process that serves may have connections.
    await process?.end(step === 'starting' ? 0 : timeoutMs);
    throw new ReplacementFailed(error, step === 'taking over' ? (process?.pid ?? null) : null);
  }
}

/**
 * Settles as the first promise that settles. After the time it rejects with the error, or resolves if there is none.
 */
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
    `upgrade: the process that this one has replaced still accepts after ${formatDuration(ms)}`,
  );

const timedOut = (pid: number, what: string, ms: number): UpgradeError =>
  new UpgradeError(
    'TIMED_OUT',
    `upgrade: the new process (pid ${pid}) was not ${what} within ${formatDuration(ms)}`,
  );

class Stopwatch {
  readonly #begin = performance.now();
  #last = this.#begin;

  /** Time since the last call, in ms. */
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
