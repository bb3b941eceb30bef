/** Milliseconds of CLOCK_MONOTONIC, the same in every process (clock_gettime(2)). */
export function now(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1_000 + nanoseconds / 1_000_000;
}

/** Waits for a fixed time. Only for figures that measure time. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
