import { closeSync, openSync } from 'node:fs';
import { isOutOfDescriptors } from '../common/errors.ts';

// Signalling a process needs a pidfd, and meanwhile a descriptor to read /proc/PID/stat.
const SPARES = 2;

const spares: number[] = [];

/** Reserves descriptors for `withSpare`. */
export function keepSpare(): void {
  try {
    while (spares.length < SPARES) spares.push(openSync('/dev/null', 'r'));
  } catch {
    // No descriptor is free now; the next use tries again.
  }
}

/**
 * Runs `act`, which opens one descriptor at a time and keeps none open. If no descriptor is free (EMFILE, getrlimit(2);
 * ENFILE, fs.file-max), closes a reserved one and runs `act` again. `act` may call withSpare() once itself. So a
 * supervisor without free descriptors can still see and signal its processes, and write its state.
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
