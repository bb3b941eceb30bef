import type { Effect } from '../lifecycle/effects.ts';
import type { State } from '../lifecycle/state.ts';
import type { ListenerSet } from '../listeners/listener-set.ts';
import type { Timers } from '../readiness/index.ts';
import type { Generations } from './generations.ts';
import type { ListenerLog } from './listener-log.ts';
import type { StateFile } from './state-file.ts';
import type { Situation } from './state-format/write.ts';

export interface StateRecorderContext {
  readonly listeners: Pick<ListenerSet, 'snapshot'>;
  readonly log: Pick<ListenerLog, 'look'>;
  readonly file: Pick<StateFile, 'ahead' | 'save' | 'retry' | 'replace' | 'remove'>;
  /** What the supervisor has besides the service. */
  readonly others: () => Pick<Situation, 'keeper' | 'commands' | 'hooks'>;
  readonly timers: Timers;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** After a record nothing is recorded for this many times as long as the record took. */
const REST = 3;

/** Milliseconds: where the disk is slow, the file is not older than that. */
export const MAX_REST = 100;

/**
 * Reports which sockets there are, and writes the state down: at once when a handover has reached its next step, else
 * once after all events of a turn of the event loop. A record takes time that grows with the workers, and each worker
 * causes events: so the latter records take at most a quarter of the time. Effects that cannot be performed twice do not
 * depend on that, see `ahead`.
 */
export class StateRecorder {
  readonly #context: StateRecorderContext;
  /** What is to be recorded; null: it is recorded. */
  #unrecorded: { readonly state: State; readonly generations: Generations } | null = null;
  /** Cancels the record that is planned; null: none is. */
  #planned: (() => void) | null = null;
  #restUntil = 0;
  /** What was recorded last, see stageOf(). */
  #stage = '';
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
    this.#inProgress = [];
    this.#unrecorded = { state, generations };
    if (stageOf(state) !== this.#stage && state.handover?.step.name !== 'resolving') this.flush();
    else this.#planned ??= this.#plan();
  }

  #plan(): () => void {
    const { timers, now } = this.#context;
    const rest = this.#restUntil - now();
    if (rest > 0) {
      const timer = timers.set(rest, () => this.flush());
      return () => timers.clear(timer);
    }
    const immediate = setImmediate(() => this.flush());
    return () => clearImmediate(immediate);
  }

  /** Records at once what is still to be recorded. */
  flush(): void {
    const { now } = this.#context;
    if (this.#unrecorded === null) return;
    const { state, generations } = this.#unrecorded;
    this.#cancel();
    const start = now();
    this.#stage = stageOf(state);
    this.#record(state, generations);
    this.#restUntil = now() + Math.min(MAX_REST, (now() - start) * REST);
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
    this.#planned?.();
    this.#planned = null;
    this.#unrecorded = null;
  }
}

/** What an operator sees of a handover. It changes a fixed number of times in each, however many workers there are. */
function stageOf({ handover, incumbent, generations, pending, stop }: State): string {
  const step =
    handover && `${handover.id} ${handover.step.name} ${'index' in handover.step && handover.step.index}`;
  return [step, incumbent, generations.map(({ id }) => id), pending !== null, stop !== null].join(';');
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
