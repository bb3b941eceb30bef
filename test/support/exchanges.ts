import type { Scope } from './temporary.ts';

/** The outcome of the requests. */
export interface ExchangeResult {
  readonly sent: number;
  readonly answered: number;
  /** Lost requests by reason. */
  readonly failures: Readonly<Record<string, number>>;
  /** Responses by their text. */
  readonly byBody: Readonly<Record<string, number>>;
}

export interface Exchanges {
  /** Resolves after this many further responses. */
  whenAnswered(more: number): Promise<void>;
  /** Sends no new requests, and waits for those in progress. */
  stop(): Promise<ExchangeResult>;
}

/**
 * Clients of any protocol that send requests continuously, and count each one. `ask` sends one request, resolves to the
 * response, and rejects within a bounded time. The clients stop at the end of the test at the latest.
 */
export function startExchanges(scope: Scope, ask: () => Promise<string>, clients: number): Exchanges {
  let stopping = false;
  let sent = 0;
  let answered = 0;
  const failures: Record<string, number> = {};
  const byBody: Record<string, number> = {};
  const waiters = new Set<{ readonly at: number; readonly resolve: () => void }>();
  const count = (counts: Record<string, number>, key: string): void => {
    counts[key] = (counts[key] ?? 0) + 1;
  };
  const client = async (): Promise<void> => {
    while (!stopping) {
      sent += 1;
      try {
        count(byBody, await ask());
        answered += 1;
      } catch (error) {
        count(failures, error instanceof Error && 'code' in error ? String(error.code) : String(error));
        // A path may be missing for a moment. Without a pause this would be a busy loop.
        await new Promise((resolve) => setImmediate(resolve));
      }
      for (const waiter of waiters) {
        if (answered < waiter.at) continue;
        waiters.delete(waiter);
        waiter.resolve();
      }
    }
  };
  const running = Promise.all(Array.from({ length: clients }, client));
  scope.after(() => {
    stopping = true;
  });
  return {
    whenAnswered: (more) =>
      new Promise((resolve) => {
        waiters.add({ at: answered + more, resolve });
      }),
    async stop() {
      stopping = true;
      await running;
      return { sent, answered, failures, byBody };
    },
  };
}
