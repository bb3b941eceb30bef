import { faultsOf } from '../binding/bound-listener.ts';
import type { ListenerPool } from '../binding/listener-pool.ts';
import type { SharedListener } from '../binding/shared-listener.ts';
import { foreignOnAllPorts } from '../diagnosis/foreign-sockets.ts';
import type { ForeignListeners } from '../diagnosis/holders.ts';
import type { NamedFault, NamedForeignSocket } from '../listeners.ts';
import type { LaneWatches } from './lane-watches.ts';

/** Result of a check of one listener. */
export interface Inspection {
  readonly faults: readonly NamedFault[];
  readonly foreign: readonly NamedForeignSocket[];
}

/**
 * Finds faults that services caused to lanes, paths and addresses. One dump of the machine's sockets serves all
 * listeners.
 */
export class LaneInspector {
  readonly #pool: Pick<ListenerPool, 'sockets' | 'known'>;
  readonly #watches: LaneWatches;

  constructor(pool: Pick<ListenerPool, 'sockets' | 'known'>, watches: LaneWatches) {
    this.#pool = pool;
    this.#watches = watches;
  }

  /**
   * Faults that services caused to their lanes and paths since the last check. They are repaired now. Throws
   * ListenerError.
   */
  faults(): NamedFault[] {
    const foreign = this.#foreign();
    return [...this.#pool.sockets].flatMap((socket) => this.#faultsOf(socket, foreign));
  }

  /** The foreign sockets on steered addresses. Throws SystemError. */
  foreignSockets(): NamedForeignSocket[] {
    const foreign = this.#foreign();
    return [...this.#pool.sockets].flatMap((socket) => foreignTo(socket, foreign));
  }

  /** Both results, one listener per step. Throws ListenerError. */
  *inspect(): Generator<Inspection, void, void> {
    const foreign = this.#foreign();
    for (const socket of [...this.#pool.sockets]) {
      // The listener may be closed between two steps.
      if (!this.#pool.sockets.has(socket)) continue;
      yield { faults: this.#faultsOf(socket, foreign), foreign: foreignTo(socket, foreign) };
    }
  }

  #foreign(): ForeignListeners {
    return foreignOnAllPorts(() => this.#pool.known());
  }

  #faultsOf({ bound, config: { name } }: SharedListener, foreign: ForeignListeners): NamedFault[] {
    const find = () => faultsOf(bound, foreign).map((fault) => ({ listener: name, ...fault }));
    return bound.lanes === null ? find() : this.#watches.during(bound.lanes, find);
  }
}

function foreignTo({ bound, config }: SharedListener, foreign: ForeignListeners): NamedForeignSocket[] {
  const sockets = bound.lanes?.foreignSockets(foreign) ?? [];
  return sockets.map((socket) => ({ listener: config.name, ...socket }));
}
