/** Timers as an argument, so that no test has to wait. `set` runs once after `ms` milliseconds. */
export interface Timers {
  readonly set: (ms: number, run: () => void) => unknown;
  readonly clear: (handle: unknown) => void;
}

/**
 * Milliseconds of CLOCK_MONOTONIC. All processes since boot share this clock (clock_gettime(2)). So times in the state
 * file stay valid for a supervisor that takes over from another.
 */
export function now(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1_000 + nanoseconds / 1_000_000;
}

/** The longest time that a timer of Node accepts, in milliseconds. A longer one would fire at once. */
export const MAX_TIMER = 2 ** 31 - 1;

/** Timers that keep the process alive. */
export const timers: Timers = {
  set: (ms, run) => setTimeout(run, ms),
  clear: (handle) => clearTimeout(handle as NodeJS.Timeout),
};

/** Timers that do not keep the process alive. */
export const unrefTimers: Timers = {
  set: (ms, run) => setTimeout(run, ms).unref(),
  clear: (handle) => clearTimeout(handle as NodeJS.Timeout),
};

/** Calls back once after `ms` milliseconds; the result cancels it. */
export function after(ms: number, callback: () => void): () => void {
  const timer = setTimeout(callback, ms);
  return () => clearTimeout(timer);
}
