import type { Scope } from '../test/support/temporary.ts';

/** Runs `work` with what test/support wants of a test: cleanups that happen at the end, first in first out, whatever the outcome. */
export async function withScope<Result>(work: (scope: Scope) => Promise<Result>): Promise<Result> {
  const cleanups: (() => void | Promise<void>)[] = [];
  try {
    return await work({ after: (cleanup) => void cleanups.push(cleanup) });
  } finally {
    for (const cleanup of cleanups) await cleanup();
  }
}
