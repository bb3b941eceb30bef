/** Timers as an argument, so that no test waits. `set` runs once after so many milliseconds and does not keep the process alive. */
export interface Timers {
  set(ms: number, run: () => void): unknown;
  clear(handle: unknown): void;
}
