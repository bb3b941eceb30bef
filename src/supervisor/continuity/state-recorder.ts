import type { Effect } from '../../lifecycle/effects.ts';
import type { State } from '../../lifecycle/state.ts';
import type { ListenerSet } from '../../listeners/listener-set.ts';
import type { ListenerLog } from '../observe/listener-log.ts';
import type { Generations } from '../run/generations.ts';
import type { Situation } from '../state-format/write.ts';
import type { StateFile } from './state-file.ts';

export interface StateRecorderContext {
  readonly listeners: ListenerSet;
  readonly log: ListenerLog;
  readonly file: StateFile;
  /** The supervisor's own processes. */
  readonly others: () => Pick<Situation, 'keeper' | 'commands' | 'hooks'>;
}

/** Reports the current sockets after each batch of events, and records the state. */
export class StateRecorder {
  readonly #context: StateRecorderContext;
  #later: NodeJS.Immediate | null = null;
  /** The effects in progress. */
  #inProgress: readonly Effect[] = [];

  constructor(context: StateRecorderContext) {
    this.#context = context;
  }

  /**
   * Called before the effects of a step are performed. If one of them must not be performed twice, another supervisor
   * must find the resulting state.
   */
  ahead(state: State, effects: readonly Effect[], generations: Generations): void {
    if (!effects.some(isOnlyOnce)) return;
    this.#inProgress = effects;
    this.note(state, generations);
  }

  /**
   * Called when a command or hook was started, or effects are about to be performed. Another supervisor must find this
   * state in memory that outlives this process, because a disk would be too slow.
   */
  note(state: State, generations: Generations): void {
    const inProgress = this.#inProgress;
    this.#context.file.ahead(() => ({ ...this.#situation(state, generations), inProgress }));
  }

  /** Called when the events and all their effects are done. */
  settled(state: State, generations: Generations): void {
    this.#cancel();
    this.#inProgress = [];
    // The resolved release usually follows within the same turn of the event loop, so the candidate need not wait for
    // the disk.
    if (state.handover?.step.name === 'resolving')
      this.#later = setImmediate(() => this.#record(state, generations));
    else this.#record(state, generations);
  }

  /** Reports sockets that were added between two batches. */
  look(): void {
    const { log, listeners } = this.#context;
    log.look(listeners.snapshot());
  }

  /** Writes the newest state again after a failure. Throws the error of fs. */
  retry(): void {
    this.#context.file.retry();
  }

  /** Replaces the file by a document for the program that is executed next. Throws the error of fs. */
  replace(text: string): void {
    this.#context.file.replace(text);
  }

  /** Removes the file once another supervisor cannot take over anything. */
  remove(): void {
    this.#cancel();
    this.#context.file.remove();
  }

  #record(state: State, generations: Generations): void {
    const situation = this.#situation(state, generations);
    this.#context.log.look(situation.listeners);
    this.#context.file.save(situation);
  }

  #situation(state: State, generations: Generations): Situation {
    const { listeners, others } = this.#context;
    const verifyOf = (generation: number) => generations.prepared(generation)?.config.service.handover.verify;
    const processes = generations.processes();
    return { state, processes, listeners: listeners.snapshot(), verifyOf, ...others() };
  }

  #cancel(): void {
    if (this.#later !== null) clearImmediate(this.#later);
    this.#later = null;
  }
}

/**
 * Whether an effect starts, signals or steers something, or answers a client. Any other effect may be performed twice
 * or not at all: a supervisor can find out the result.
 */
export function isOnlyOnce({ type }: Effect): boolean {
  switch (type) {
    case 'spawn':
    case 'signal':
    case 'kill':
    case 'run_hook':
    case 'kill_hook':
    case 'steer':
    case 'concluded':
      return true;
    default:
      return false;
  }
}
