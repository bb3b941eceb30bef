import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type LoadResult } from './load-book.ts';

/** The requests that one service process reports as answered. test/fixtures/graceful.js writes them when it exits. */
export interface ServiceBook {
  readonly pid: number;
  readonly generation: string;
  readonly count: number;
  readonly ids: readonly string[];
}

/** Reads the books in the directory that the services got as $BOOKS_DIR. A killed process has written none. */
export function readBooks(folder: string): ServiceBook[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name): ServiceBook => JSON.parse(readFileSync(join(folder, name), 'utf8')));
}

export interface Balance {
  readonly sent: number;
  readonly answered: number;
  readonly counted: number;
  /** Answered according to the client, but counted by no service. */
  readonly uncounted: readonly string[];
  /** Counted by a service, but the client has no response. */
  readonly unanswered: readonly string[];
  /** Counted more than once. */
  readonly twice: readonly string[];
  /** No request was lost, and client and services agree on each id. */
  readonly balanced: boolean;
}

/** Compares the client's book with those of the services by id. */
export function balance(load: LoadResult, services: readonly ServiceBook[]): Balance {
  const times = new Map<string, number>();
  for (const id of services.flatMap((book) => book.ids)) times.set(id, (times.get(id) ?? 0) + 1);
  const answered = new Set(load.answeredIds);
  const uncounted = load.answeredIds.filter((id) => !times.has(id));
  const unanswered = [...times.keys()].filter((id) => !answered.has(id));
  const twice = [...times].filter(([, count]) => count > 1).map(([id]) => id);
  const counted = services.reduce((total, book) => total + book.count, 0);
  const balanced =
    load.sent === load.answered &&
    load.answered === counted &&
    uncounted.length + unanswered.length + twice.length === 0;
  return { sent: load.sent, answered: load.answered, counted, uncounted, unanswered, twice, balanced };
}

/** Fails with the numbers and the first lost requests unless sent = answered = counted by the services. */
export function assertBalanced(load: LoadResult, services: readonly ServiceBook[]): void {
  const result = balance(load, services);
  if (result.balanced) return;
  const losses = load.losses.slice(0, 5).map((loss) => `  ${JSON.stringify(loss)}`);
  const first = (ids: readonly string[]): string => `${ids.length} (${ids.slice(0, 3).join(' ')})`;
  assert.fail(
    [
      `${describe(load)}, counted by ${services.length} services ${result.counted}`,
      `answered but not counted ${first(result.uncounted)}, counted but not answered ${first(result.unanswered)}, ` +
        `counted twice ${first(result.twice)}`,
      ...losses,
    ].join('\n'),
  );
}
