import { closeSync, openSync } from 'node:fs';

let spare: number | null = null;

/** Keeps one descriptor in reserve for `withSpare`, from now on. */
export function keepSpare(): void {
  try {
    spare ??= openSync('/dev/null', 'r');
  } catch {
    // There is none to keep now; the next use tries again.
  }
}

/**
 * Does something that opens at most one descriptor at a time and keeps none; where the process has reached its limit (EMFILE, getrlimit(2))
 * it is done again with the one in reserve. So a supervisor without descriptors still sees its processes and writes down what it knows.
 */
export function withSpare<Result>(act: () => Result): Result {
  try {
    return act();
  } catch (error) {
    if (spare === null || !(error instanceof Error && 'code' in error && error.code === 'EMFILE'))
      throw error;
    closeSync(spare);
    spare = null;
    try {
      return act();
    } finally {
      keepSpare();
    }
  }
}
