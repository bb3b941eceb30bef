import { closeSync, openSync } from 'node:fs';
import { isOutOfDescriptors } from '../common/errors.ts';

// A signal to a process takes a pidfd, and meanwhile a descriptor that reads /proc/PID/stat.
const SPARES = 2;

const spares: number[] = [];

/** Keeps descriptors in reserve for `withSpare`, from now on. */
export function keepSpare(): void {
  try {
    while (spares.length < SPARES) spares.push(openSync('/dev/null', 'r'));
  } catch {
    // No descriptor is free now; the next use tries again.
  }
}

/**
 * Runs `act`, which opens one descriptor at a time and keeps none. When no descriptor is free (EMFILE, getrlimit(2);
 * ENFILE, fs.file-max), `act` runs once more after one in reserve was closed. `act` may call withSpare() once itself.
 * So a supervisor without free descriptors still sees and signals its processes, and writes down what it knows.
 */
export function withSpare<Result>(act: () => Result): Result {
  try {
    return act();
  } catch (error) {
    const spare = isOutOfDescriptors(error) ? spares.pop() : undefined;
    if (spare === undefined) throw error;
    closeSync(spare);
    try {
      return act();
    } finally {
      keepSpare();
    }
  }
}
