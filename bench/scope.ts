import type { Scope } from '../test/support/temporary.ts';

/**
 * Runs `work` with the scope that test/support expects of a test: its cleanups run at the end, in the order of their
 * registration, after success and failure.
 */
export async function withScope<Result>(work: (scope: Scope) => Promise<Result>): Promise<Result> {
  const cleanups: (() => void | Promise<void>)[] = [];
  try {
    return await work({ after: (cleanup) => void cleanups.push(cleanup) });
  } finally {
    for (const cleanup of cleanups) await cleanup();
  }
}
