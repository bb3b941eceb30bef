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
  /** What the supervisor has besides the service. */
  readonly others: () => Pick<Situation, 'keeper' | 'commands' | 'hooks'>;
}

/** Says after each batch of events which sockets there are, and writes the state down. */
export class StateRecorder {
  readonly #context: StateRecorderContext;
  #later: NodeJS.Immediate | null = null;
  /** Effects that are being performed. */
  #inProgress: readonly Effect[] = [];

  constructor(context: StateRecorderContext) {
    this.#context = context;
  }

  /**
   * The effects of a step are going to be performed. Where one of them cannot be performed twice, another supervisor
   * must find the state that follows from it.
   */
  ahead(state: State, effects: readonly Effect[], generations: Generations): void {
    if (!effects.some(isOnlyOnce)) return;
    this.#inProgress = effects;
    this.note(state, generations);
  }

  /**
   * A command or hook was started, or effects are going to be performed: another supervisor must find this in memory
   * that outlives this process. A disk would be too slow.
   */
  note(state: State, generations: Generations): void {
    const inProgress = this.#inProgress;
    this.#context.file.ahead(() => ({ ...this.#situation(state, generations), inProgress }));
  }

  /** The events are done, and everything that they asked for. */
  settled(state: State, generations: Generations): void {
    this.#cancel();
    this.#inProgress = [];
    // What is resolved follows within the same turn of the event loop, mostly: the candidate need not wait for the disk.
    if (state.handover?.step.name === 'resolving')
      this.#later = setImmediate(() => this.#record(state, generations));
    else this.#record(state, generations);
  }

  /** Sockets may have come between two batches. */
  look(): void {
    const { log, listeners } = this.#context;
    log.look(listeners.snapshot());
  }

  /** Writes the newest state, after a failure. Throws what fs does. */
  retry(): void {
    this.#context.file.retry();
  }

  /** Replaces the file by a document for the program that is executed next. Throws what fs does. */
  replace(text: string): void {
    this.#context.file.replace(text);
  }

  /** Nothing is left that another supervisor could take over. */
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
 * An effect that starts, signals or steers something, or that a client hears of. To perform any other one twice, or not
 * at all, changes nothing that a supervisor could not find out.
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
