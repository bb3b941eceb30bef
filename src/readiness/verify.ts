import { setMaxListeners } from 'node:events';
import type { Timers } from '../common/clock.ts';
import { reasonOf } from '../common/errors.ts';
import type { VerifyConfig } from '../config/schema.ts';
import { type RunCommand, runOnce } from './command.ts';
import { getOnce } from './http.ts';
import type { OpenProbe } from './probes.ts';

/** Input of the verification of a generation. */
export interface VerifyContext {
  /** Called for every check: the generation's workers, each with a function that opens a connection to its own lane. */
  workers(): readonly { readonly worker: number; readonly openProbe: OpenProbe }[];
  readonly runCommand: RunCommand;
  readonly timers: Timers;
  /** Called after every check. */
  checked(passed: boolean): void;
  /** Called once, after as many failed checks in a row as the config allows. No check follows. */
  failed(reason: string): void;
}

export interface Verification {
  /** Why the last check failed; null if it passed. */
  lastReason(): string | null;
  /** No callback follows. Idempotent. */
  close(): void;
}

/**
 * Checks a generation repeatedly: at once, then `interval` after the end of the previous check. A check passes if every
 * worker answers the request (if a listener is configured) and the command exits with 0.
 */
export function startVerify(config: VerifyConfig, context: VerifyContext): Verification {
  const stop = new AbortController();
  // Every running check listens to it, and Node warns of more than 10 listeners.
  setMaxListeners(0, stop.signal);
  let timer: unknown = null;
  let reason: string | null = null;
  let misses = 0;

  const look = async (): Promise<void> => {
    timer = null;
    const seen = await lookOnce(config, context, stop.signal);
    if (stop.signal.aborted) return;
    reason = seen;
    misses = seen === null ? 0 : misses + 1;
    context.checked(seen === null);
    if (misses < config.failures) {
      timer = context.timers.set(config.interval, () => void look());
      return;
    }
    stop.abort();
    context.failed(misses === 1 ? `${seen}` : `verify failed ${misses} times in a row; last: ${seen}`);
  };
  void look();

  return {
    lastReason: () => reason,
    close() {
      stop.abort();
      if (timer !== null) context.timers.clear(timer);
      timer = null;
    },
  };
}

/**
 * Runs all parts at the same time. Resolves to the first failure in the order of the workers, the command last. Never
 * rejects.
 */
async function lookOnce(
  config: VerifyConfig,
  context: VerifyContext,
  stop: AbortSignal,
): Promise<string | null> {
  const looks = [...httpLooks(config, context, stop), ...commandLooks(config, context, stop)];
  const misses = await Promise.all(looks.map((look) => look.catch((error: unknown) => reasonOf(error))));
  return misses.find((miss) => miss !== null) ?? null;
}

function httpLooks(
  { http, timeout }: VerifyConfig,
  context: VerifyContext,
  stop: AbortSignal,
): Promise<string | null>[] {
  if (http === undefined) return [];
  const request = { timeout, ...http };
  if (http.listener === undefined) return [getOnce(request, null, context.timers, stop)];
  const workers = context.workers();
  if (workers.length === 0) return [Promise.resolve(`GET ${http.path}: no worker can answer`)];
  return workers.map(async ({ worker, openProbe }) => {
    const miss = await getOnce(request, openProbe, context.timers, stop).catch(
      (error: unknown) => `GET ${http.path}: ${reasonOf(error)}`,
    );
    return miss === null ? null : `worker ${worker}, ${miss}`;
  });
}

function commandLooks(
  { command, timeout }: VerifyConfig,
  { runCommand }: VerifyContext,
  stop: AbortSignal,
): Promise<string | null>[] {
  return command === undefined ? [] : [runOnce({ timeout, ...command }, runCommand, stop)];
}
