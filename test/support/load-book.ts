import type { FailureName } from './http-connection.ts';

/** What happened to the requests that were sent during one phase. */
export interface PhaseBook {
  readonly phase: string;
  sent: number;
  answered: number;
  readonly failures: Record<string, number>;
  /** Answers by the generation that gave them; `unknown` where the answer does not say. */
  readonly byGeneration: Record<string, number>;
}

/** One lost request; `reused`: not the first one on its connection. `at` and `openedAt`: ms since the load began. */
export interface Loss {
  readonly id: string;
  readonly name: FailureName;
  readonly detail: string;
  readonly phase: string;
  readonly reused: boolean;
  readonly at: number;
  /** When its connection was opened. */
  readonly openedAt: number;
  /** The client's port; null where it was not connected. */
  readonly port: number | null;
}

/** The whole book of a load that is over. */
export interface LoadResult {
  readonly sent: number;
  readonly answered: number;
  readonly failed: number;
  readonly failures: Record<string, number>;
  readonly byGeneration: Record<string, number>;
  readonly phases: readonly PhaseBook[];
  readonly losses: readonly Loss[];
  /** Ids in the order of their answers. */
  readonly answeredIds: readonly string[];
  /** Of the answered ones, in ms, in the order of their answers. */
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

/** Keeps the book. A request belongs to the phase it was sent in, so that each phase balances by itself. */
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

  /** Notes that a request goes out now; what it returns is for `answer` or `lose`, exactly one of them, once. */
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

  /** In all phases so far. */
  get lost(): number {
    return this.#losses.length;
  }

  lose(book: PhaseBook, loss: Omit<Loss, 'phase'>): void {
    bump(book.failures, loss.name);
    this.#losses.push({ ...loss, phase: book.phase });
    this.#wake(book);
  }

  /**
   * Resolves once `count` requests of the current phase were answered; rejects when as many were lost, or the load ends before, because
   * then the count will never come.
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

  /** Closes the book. Throws when it does not balance: then the load generator itself is wrong. */
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

/** One line for an assertion's message. */
export function describe(book: Pick<PhaseBook, 'sent' | 'answered' | 'failures' | 'byGeneration'>): string {
  const { sent, answered, failures, byGeneration } = book;
  return `sent ${sent}, answered ${answered}, lost ${JSON.stringify(failures)}, by generation ${JSON.stringify(byGeneration)}`;
}

/** The value that the given share (0 to 1) of the samples does not exceed (nearest rank); 0 without samples. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
