import { setMaxListeners } from 'node:events';
import type { Timers } from '../common/clock.ts';
import { formatDuration } from '../common/duration.ts';
import { reasonOf } from '../common/errors.ts';
import type { LivenessConfig } from '../config/schema.ts';
import { type RunCommand, runOnce } from './command.ts';
import { getOnce } from './http.ts';
import type { ListenerProbe, OpenProbe } from './probes.ts';
import type { WatchdogReports } from './watchdog-reports.ts';

/** One process of one worker of a generation. */
export interface CheckedKey {
  readonly worker: number;
  readonly incarnation: number;
}

export interface CheckedWorker extends CheckedKey {
  /** It is hung, and a rescue worker would answer a check through its lane. */
  readonly rescued: boolean;
  /** Opens a connection to the worker's own lane. */
  readonly openProbe: OpenProbe;
  /** Variables about the worker for the command's environment. */
  readonly variables: Readonly<Record<string, string>>;
  readonly watchdog: WatchdogReports;
}

/** Results of the workers. A worker in neither list has missed its last check. */
export interface LivenessRound {
  /** They have missed as many checks in a row as the config allows, or their watchdog has expired. */
  readonly failing: readonly (CheckedKey & { readonly reason: string })[];
  /** They passed their last check, and have shown signs of life since the first of the others failed. */
  readonly passing: readonly CheckedKey[];
}

export interface LivenessContext {
  /** The workers to check; called for each round. */
  workers(): readonly CheckedWorker[];
  readonly runCommand: RunCommand;
  readonly timers: Timers;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Called after a round in which a worker fails, and after the next one in which none does. */
  ended(round: LivenessRound): void;
}

export interface Liveness {
  /** Call this when the workers have changed. */
  sync(): void;
  /** No callback follows. Idempotent. */
  close(): void;
}

/** The check results of one process. */
interface Health {
  /** Start of its checks: the watchdog counts from here. */
  readonly since: number;
  misses: number;
  reason: string;
  /** One of its checks has ended. */
  checked: boolean;
}

/** Number of checks of the watchdog within its time limit. */
const LOOKS = 4;

/** A worker may set a shorter time than the config. */
const MIN_PAUSE = 100;

/**
 * Checks workers repeatedly, the first time after `interval`. All workers are checked at the same time, so that a
 * failure of all of them does not look like the failure of one.
 */
export function startLiveness(config: LivenessConfig, context: LivenessContext): Liveness {
  const { http, command, watchdog, interval } = config;
  const { timers } = context;
  const stop = new AbortController();
  // Every running check listens to it, and Node warns of more than 10 listeners.
  setMaxListeners(0, stop.signal);
  const handles = new Map<() => void, unknown>();
  const tracker = new Tracker(config, context);

  const repeat = (pause: () => number, round: () => Promise<void>): void => {
    const run = async (): Promise<void> => {
      await round();
      if (!stop.signal.aborted) handles.set(start, timers.set(pause(), start));
    };
    const start = () => void run();
    handles.set(start, timers.set(pause(), start));
  };
  if (http !== undefined || command !== undefined)
    repeat(
      () => interval,
      async () => {
        const workers = context.workers();
        const looks = workers.map(
          async (worker) => [worker, await look(config, worker, context, stop.signal)] as const,
        );
        const results = await Promise.all(looks);
        if (stop.signal.aborted) return;
        for (const [worker, result] of results) tracker.note(worker, result);
        tracker.report();
      },
    );
  if (watchdog !== undefined) {
    const pause = () => {
      const times = context.workers().map((worker) => worker.watchdog.timeOf(watchdog));
      return Math.min(interval, watchdog / LOOKS, Math.max(MIN_PAUSE, Math.min(...times) / LOOKS));
    };
    repeat(pause, async () => tracker.report());
  }
  tracker.sync();

  return {
    sync: () => tracker.sync(),
    close() {
      stop.abort();
      for (const handle of handles.values()) timers.clear(handle);
      handles.clear();
    },
  };
}

/** Null: it passed. Text: why it failed. Undefined: zero could not check it, which says nothing about the worker. */
async function look(
  config: LivenessConfig,
  worker: CheckedWorker,
  { timers, runCommand }: LivenessContext,
  stop: AbortSignal,
): Promise<string | null | undefined> {
  const { http, command, timeout } = config;
  try {
    const [answer, end] = await Promise.all([
      http === undefined
        ? null
        : worker.rescued && http.listener !== undefined
          ? 'it is hung'
          : getOnce({ timeout, ...http }, probeOf(worker), timers, stop).catch(rethrowOwn),
      command === undefined
        ? null
        : runOnce({ timeout, ...command, variables: worker.variables }, runCommand, stop),
    ]);
    return answer ?? end;
  } catch (error) {
    if (error instanceof OwnFailure) return undefined;
    return reasonOf(error);
  }
}

/** zero itself could not connect, for example because no descriptor is free. */
class OwnFailure extends Error {}

function probeOf({ openProbe }: CheckedWorker): OpenProbe {
  return (listener): ListenerProbe => {
    try {
      return openProbe(listener);
    } catch (error) {
      throw new OwnFailure(String(error), { cause: error });
    }
  };
}

function rethrowOwn(error: unknown): string {
  if (error instanceof OwnFailure) throw error;
  return reasonOf(error);
}

/** Counts missed checks and reports failing workers. */
class Tracker {
  readonly #config: LivenessConfig;
  readonly #context: LivenessContext;
  #health = new Map<string, Health>();
  /** A worker failed in the last report. */
  #isFailing = false;

  constructor(config: LivenessConfig, context: LivenessContext) {
    this.#config = config;
    this.#context = context;
  }

  /** Removes workers that are no longer checked, and adds new ones. */
  sync(): void {
    const before = this.#health;
    const since = this.#context.now();
    this.#health = new Map(
      this.#context.workers().map((worker) => {
        const name = nameOf(worker);
        return [name, before.get(name) ?? { since, misses: 0, reason: '', checked: false }];
      }),
    );
  }

  note(worker: CheckedWorker, result: string | null | undefined): void {
    const health = this.#health.get(nameOf(worker));
    if (health === undefined || result === undefined) return;
    health.checked = true;
    health.misses = result === null ? 0 : health.misses + 1;
    health.reason = result ?? '';
  }

  report(): void {
    const { ended, now } = this.#context;
    const time = now();
    const workers = this.#context.workers().flatMap((worker) => {
      const health = this.#health.get(nameOf(worker));
      return health === undefined ? [] : [{ worker, health, expiry: this.#expiry(worker, health) }];
    });
    const expired = workers.map(({ expiry }) => expiry).filter((expiry) => expiry <= time);
    const firstExpiry = Math.min(...expired);
    const failing = workers.flatMap(({ worker, health, expiry }) => {
      const reason = this.#reason(worker, health, expiry <= time);
      return reason === null ? [] : [{ ...keyOf(worker), reason }];
    });
    const passing = workers.filter(({ worker, health, expiry }) => {
      const isSeen = expired.length === 0 || (worker.watchdog.at ?? Number.NEGATIVE_INFINITY) >= firstExpiry;
      return expiry > time && this.#hasPassed(health) && isSeen;
    });
    const wasFailing = this.#isFailing;
    this.#isFailing = failing.length > 0;
    if (wasFailing || this.#isFailing)
      ended({ failing, passing: passing.map(({ worker }) => keyOf(worker)) });
  }

  /** When the watchdog of a worker expires; Infinity without one. */
  #expiry({ watchdog }: CheckedWorker, { since }: Health): number {
    const time = this.#config.watchdog;
    return time === undefined ? Number.POSITIVE_INFINITY : watchdog.expiry(since, time);
  }

  #reason({ watchdog }: CheckedWorker, { misses, reason }: Health, isExpired: boolean): string | null {
    const { failures, watchdog: time = 0 } = this.#config;
    if (isExpired && watchdog.triggeredAt !== null) return 'the worker sent WATCHDOG=trigger';
    if (isExpired) return `no WATCHDOG=1 within ${formatDuration(watchdog.timeOf(time))}`;
    if (misses < failures) return null;
    return misses === 1 ? reason : `liveness check failed ${misses} times in a row; last: ${reason}`;
  }

  #hasPassed({ misses, checked }: Health): boolean {
    const { http, command } = this.#config;
    return misses === 0 && (checked || (http === undefined && command === undefined));
  }
}

function keyOf({ worker, incarnation }: CheckedKey): CheckedKey {
  return { worker, incarnation };
}

function nameOf({ worker, incarnation }: CheckedKey): string {
  return `${worker}.${incarnation}`;
}
