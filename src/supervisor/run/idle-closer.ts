import { isSystemFailure } from '../../common/errors.ts';
import type { WorkerKey } from '../../lifecycle/events.ts';
import type { Fact } from '../../lifecycle/facts.ts';
import type { ConnectionCount, WorkerConnections } from '../../workers/processes/connections.ts';
import type { Generations } from './generations.ts';

export interface IdleCloserContext {
  readonly connections: Pick<WorkerConnections<string>, 'endReceiving'>;
  readonly generations: Pick<Generations, 'prepared'>;
  readonly report: (fact: Fact) => void;
}

/**
 * Closes idle connections of retiring workers where `handover.close_idle` asks for it. Such a service cannot drain and
 * would cut the connections on its stop signal.
 */
export class IdleCloser {
  readonly #context: IdleCloserContext;
  /** Generations whose descriptors zero has no permission to take. */
  readonly #refused = new Set<number>();

  constructor(context: IdleCloserContext) {
    this.#context = context;
  }

  /** Milliseconds that a connection of this worker must be idle before zero closes it; null: never. */
  limitOf({ generation }: WorkerKey): number | null {
    const limit = this.#context.generations.prepared(generation)?.config.service.handover.close_idle;
    return limit === undefined || limit === 'off' || this.#refused.has(generation) ? null : limit;
  }

  /**
   * Closes connections that have been idle long enough. Returns the number of connections that zero waits for. It
   * includes idle ones, because zero closes them soon. Rejects with SystemError.
   * @param worker its name in `connections`
   */
  async close(
    key: WorkerKey,
    worker: string,
    { open = null, busy, expired = [] }: ConnectionCount,
  ): Promise<number> {
    if (this.limitOf(key) === null) return busy;
    const { connections, report } = this.#context;
    if (open === null) {
      this.#refuse(key, 'its descriptors cannot be listed');
      return busy;
    }
    if (expired.length === 0) return Math.max(open, busy);
    try {
      const ended = await connections.endReceiving(worker, expired);
      const { generation, worker: index } = key;
      if (ended > 0)
        report({ event: 'idle_connections_ended', generation, worker: index, connections: ended });
    } catch (error) {
      if (!isSystemFailure(error) || error.code !== 'EPERM') throw error;
      this.#refuse(key, 'pidfd_getfd: EPERM');
      return busy;
    }
    return Math.max(open, busy);
  }

  #refuse({ generation }: WorkerKey, why: string): void {
    this.#refused.add(generation);
    const message =
      `close_idle has no effect on generation ${generation}: zero may not take descriptors of its processes (${why}). ` +
      'zero waits for its connections up to drain_timeout, as without close_idle. ' +
      'Give zero CAP_SYS_PTRACE, or run the service as the user of zero and set kernel.yama.ptrace_scope to 1 or 0.';
    this.#context.report({ event: 'warning', about: 'close_idle', message });
  }
}
