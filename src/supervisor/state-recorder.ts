import type { State } from '../lifecycle/state.ts';
import type { ListenerSet } from '../listeners/listener-set.ts';
import type { Generations } from './generations.ts';
import type { ListenerLog } from './listener-log.ts';
import type { StateFile } from './state-file.ts';

/** Says after each batch of events which sockets there are, and writes the state down. */
export class StateRecorder {
  readonly #listeners: ListenerSet;
  readonly #log: ListenerLog;
  readonly #file: StateFile;
  #later: NodeJS.Immediate | null = null;

  constructor(listeners: ListenerSet, log: ListenerLog, file: StateFile) {
    this.#listeners = listeners;
    this.#log = log;
    this.#file = file;
  }

  /** The events are done, and everything that they asked for. */
  settled(state: State, generations: Generations): void {
    this.#cancel();
    // What is resolved follows within the same turn of the event loop, mostly: the candidate need not wait for the disk.
    if (state.handover?.step.name === 'resolving')
      this.#later = setImmediate(() => this.#record(state, generations));
    else this.#record(state, generations);
  }

  /** Sockets may have come between two batches. */
  look(): void {
    this.#log.look(this.#listeners.snapshot());
  }

  /** Writes the newest state, after a failure. Throws what fs does. */
  retry(): void {
    this.#file.retry();
  }

  /** Nothing is left that another supervisor could take over. */
  remove(): void {
    this.#cancel();
    this.#file.remove();
  }

  #record(state: State, generations: Generations): void {
    const sockets = this.#listeners.snapshot();
    this.#log.look(sockets);
    const verifyOf = (generation: number) => generations.prepared(generation)?.config.service.handover.verify;
    this.#file.save({ state, processes: generations.processes(), listeners: sockets, verifyOf });
  }

  #cancel(): void {
    if (this.#later !== null) clearImmediate(this.#later);
    this.#later = null;
  }
}
