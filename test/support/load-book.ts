import type { FailureName } from './http-connection.ts';

/** The outcomes of the requests of one phase. */
export interface PhaseBook {
  readonly phase: string;
  sent: number;
  answered: number;
  readonly failures: Record<string, number>;
  /** Responses by the generation that sent them; `unknown` if the response does not contain it. */
  readonly byGeneration: Record<string, number>;
}

/**
 * One lost request. `reused`: it was not the first one on its connection. `at` and `openedAt`: ms since the start of
 * the load.
 */
export interface Loss {
  readonly id: string;
  readonly name: FailureName;
  readonly detail: string;
  readonly phase: string;
  readonly reused: boolean;
  readonly at: number;
  /** The time when its connection was opened. */
  readonly openedAt: number;
  /** The client's port; null if the connection was not established. */
  readonly port: number | null;
}

/** The complete book of a finished load. */
export interface LoadResult {
  readonly sent: number;
  readonly answered: number;
  readonly failed: number;
  readonly failures: Record<string, number>;
  readonly byGeneration: Record<string, number>;
  readonly phases: readonly PhaseBook[];
  readonly losses: readonly Loss[];
  /** Ids in the order of the responses. */
  readonly answeredIds: readonly string[];
  /** Of answered requests, in ms, in the order of the responses. */
  readonly latencies: readonly number[];
}

interface PhaseWaiter {
  readonly book: PhaseBook;
  readonly count: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((a, b) => a + b, 0);

function bump(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}

/** Counts requests. A request belongs to the phase in which it was sent, so each phase balances separately. */
export class LoadBook {
  readonly #phases: PhaseBook[] = [];
  readonly #losses: Loss[] = [];
  readonly #answeredIds: string[] = [];
  readonly #latencies: number[] = [];
  readonly #waiters = new Set<PhaseWaiter>();
  #current: PhaseBook;
  #closed = false;

  constructor() {
    this.#current = this.startPhase('start');
  }

  startPhase(phase: string): PhaseBook {
    this.#current = { phase, sent: 0, answered: 0, failures: {}, byGeneration: {} };
    this.#phases.push(this.#current);
    return this.#current;
  }

  /** Records a sent request. The result is for exactly one call of `answer` or `lose`. */
  send(): PhaseBook {
    this.#current.sent += 1;
    return this.#current;
  }

  answer(book: PhaseBook, id: string, generation: string, latency: number): void {
    book.answered += 1;
    bump(book.byGeneration, generation);
    this.#answeredIds.push(id);
    this.#latencies.push(latency);
    this.#wake(book);
  }

  /** Over all phases so far. */
  get lost(): number {
    return this.#losses.length;
  }

  lose(book: PhaseBook, loss: Omit<Loss, 'phase'>): void {
    bump(book.failures, loss.name);
    this.#losses.push({ ...loss, phase: book.phase });
    this.#wake(book);
  }

  /**
   * Resolves once `count` requests of the current phase were answered. Rejects when as many were lost, or when the load
   * ends before.
   */
  whenPhaseHas(count: number): Promise<void> {
    const book = this.#current;
    return new Promise((resolve, reject) => {
      this.#waiters.add({ book, count, resolve, reject });
      this.#wake(book);
    });
  }

  #wake(book: PhaseBook): void {
    for (const waiter of this.#waiters) {
      if (waiter.book !== book) continue;
      const lost = sum(book.failures);
      if (book.answered >= waiter.count) {
        waiter.resolve();
      } else if (lost >= waiter.count || this.#closed) {
        const why = this.#closed ? 'the load ended' : 'as many were lost';
        waiter.reject(
          new Error(`phase ${book.phase}: ${why} before ${waiter.count} answers: ${describe(book)}`),
        );
      } else {
        continue;
      }
      this.#waiters.delete(waiter);
    }
  }

  /** Closes the book. Throws when it does not balance, which is an error of the load generator. */
  close(): LoadResult {
    this.#closed = true;
    const total: PhaseBook = { phase: 'all', sent: 0, answered: 0, failures: {}, byGeneration: {} };
    for (const book of this.#phases) {
      this.#wake(book);
      const finished = book.answered + sum(book.failures);
      if (book.sent !== finished) throw new Error(`book of phase ${book.phase} is open: ${describe(book)}`);
      total.sent += book.sent;
      total.answered += book.answered;
      for (const key of ['failures', 'byGeneration'] as const) {
        for (const [name, count] of Object.entries(book[key]))
          total[key][name] = (total[key][name] ?? 0) + count;
      }
    }
    const { sent, answered, failures, byGeneration } = total;
    return {
      sent,
      answered,
      failed: sum(failures),
      failures,
      byGeneration,
      phases: this.#phases,
      losses: this.#losses,
      answeredIds: this.#answeredIds,
      latencies: this.#latencies,
    };
  }
}

/** One line for the message of an assertion. */
export function describe(book: Pick<PhaseBook, 'sent' | 'answered' | 'failures' | 'byGeneration'>): string {
  const { sent, answered, failures, byGeneration } = book;
  return `sent ${sent}, answered ${answered}, lost ${JSON.stringify(failures)}, by generation ${JSON.stringify(byGeneration)}`;
}

/** The value that the given share (0 to 1) of the samples does not exceed (nearest rank). 0 without samples. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
