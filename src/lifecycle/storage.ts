/*
 * The files that zero writes: the state and the history. A file that cannot be written is reported once, and written
 * again with backoff; the service is not affected. Deadline: the next attempt.
 */
import { type Context, emit, reportFailure } from './context.ts';
import type { StoredFile } from './effects.ts';
import type { Failure } from './facts.ts';
import { type Retry, retryAfter } from './restart.ts';
import type { State } from './state.ts';

/** A file that could not be written, and when the next attempt is due. */
export interface Unwritten {
  /** The first failure, which was reported. */
  readonly failure: Failure;
  readonly since: number;
  readonly retry: Retry;
}

export type Storage = { [F in StoredFile]: Unwritten | null };

const FILES: readonly StoredFile[] = ['state', 'history'];

export function onWriteFailed(context: Context, file: StoredFile, failure: Failure): void {
  const { state } = context;
  const before = state.storage[file];
  if (before === null) reportFailure(context, failure);
  const retry = retryAfter(state.now, before?.retry);
  state.storage[file] = { failure: before?.failure ?? failure, since: before?.since ?? state.now, retry };
}

export function onWritten({ state }: Context, file: StoredFile): void {
  state.storage[file] = null;
}

export function tickStorage(context: Context): void {
  const { state } = context;
  for (const file of FILES) {
    const unwritten = state.storage[file];
    if (unwritten === null || state.now < unwritten.retry.at) continue;
    // The answer sets the next attempt. Without an answer, this attempt counts as failed.
    state.storage[file] = { ...unwritten, retry: retryAfter(state.now, unwritten.retry) };
    emit(context, { type: 'write', file });
  }
}

/** When the next attempt is due; Infinity for never. */
export function storageDeadline({ storage }: State): number {
  return Math.min(...FILES.map((file) => storage[file]?.retry.at ?? Number.POSITIVE_INFINITY));
}
