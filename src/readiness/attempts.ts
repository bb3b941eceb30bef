import type { Timers } from '../common/clock.ts';
import { reasonOf } from '../common/errors.ts';
import { type Gate, type GateCallbacks, type GateName, once } from './gate.ts';

/** A gate that is attempted until it passes or is closed. */
export interface Attempts {
  readonly name: GateName;
  /** Milliseconds from the end of an attempt to the start of the next. */
  readonly interval: number;
  readonly timers: Timers;
  /** One attempt: resolves to null if it passed, else to the reason. It ends soon after `stop` is aborted. */
  attempt(stop: AbortSignal): Promise<string | null>;
}

/**
 * Starts the first attempt at once. A failed attempt is kept for the report but never fails the gate: the time limit of
 * the candidate does.
 */
export function startAttempts(attempts: Attempts, callbacks: GateCallbacks): Gate {
  const verdict = once(callbacks);
  const stop = new AbortController();
  let reason: string | null = null;
  let timer: unknown = null;
  let running = false;

  const next = async (): Promise<void> => {
    timer = null;
    running = true;
    const miss = await attempts.attempt(stop.signal).catch((error: unknown) => reasonOf(error));
    running = false;
    if (verdict.isOver) return;
    if (miss === null) {
      verdict.passed();
      return;
    }
    reason = miss;
    timer = attempts.timers.set(attempts.interval, () => void next());
  };
  void next();

  return {
    name: attempts.name,
    lastReason: () => reason,
    close() {
      verdict.over();
      if (timer !== null) attempts.timers.clear(timer);
      timer = null;
      // An attempt that has its answer ends without help. Aborting it would look like a broken client to the service.
      if (running) stop.abort();
    },
  };
}
