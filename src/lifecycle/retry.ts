import { backoffDelay } from './restart.ts';

/** A step that failed and is performed again at `at`. */
export interface Retry {
  readonly at: number;
  /** Failures in a row, at least 1. */
  readonly attempts: number;
}

const BACKOFF = { initial: 100, factor: 2, max: 10_000 };

/** The next attempt after one more failure: 100 ms after the first, then twice as long each time, at most 10 s. */
export function retryAfter(now: number, before: Retry | null | undefined): Retry {
  const attempts = (before?.attempts ?? 0) + 1;
  return { at: now + backoffDelay(BACKOFF, attempts - 1), attempts };
}
