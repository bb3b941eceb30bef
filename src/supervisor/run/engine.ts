import { MAX_TIMER } from '../../common/clock.ts';
import type { Effect } from '../../lifecycle/effects.ts';
import { type Event, isWorkerEvent, type WorkerEvent } from '../../lifecycle/events.ts';
import { initialState, type State } from '../../lifecycle/state.ts';
import { nextDeadline, step } from '../../lifecycle/step.ts';
import type { Timers } from '../../readiness/index.ts';

/** An event of the shell. The engine adds the time. */
export type Happening =
  Exclude<Event, { type: 'batch' }> extends infer E ? (E extends Event ? Omit<E, 'at'> : never) : never;

export interface EngineOptions {
  readonly now: () => number;
  readonly timers: Timers;
  /** The core. Tests pass another one. */
  readonly behaviour?: typeof step;
  /** The numbers of the first generation and of the first handover. */
  readonly firstGeneration: number;
  readonly firstHandover: number;
  /**
   * The state of another supervisor to continue from. `continued` is then the first event; events that were posted
   * before it follow. If omitted, the state is empty.
   */
  readonly initial?: State;
  /** The first event; events that were posted before it follow. If omitted, any event may be the first. */
  readonly first?: 'adopted';
  /**
   * Called after a step that returned effects, before the first of them is performed. Must not throw.
   * @param effects the effects of the step, and earlier effects whose failure the core has not processed yet
   */
  readonly before?: (state: State, effects: readonly Effect[]) => void;
  /** Performs an effect of the core. Posts its result as an event, at once or later. */
  readonly perform: (effect: Effect) => void;
  /**
   * Called with an exception in a step or an effect. If a step throws, its event has no effect: the state stays the
   * last consistent one. Must not throw.
   */
  readonly failed: (step: string, error: unknown) => void;
  /**
   * Called after a batch of events, when the state may have changed and every effect was performed.
   * @param happened false if only time has passed, whatever follows from that
   */
  readonly settled: (state: State, happened: boolean) => void;
}

/** After an exception in a step its deadline remains. Without a pause the timer would fire again at once. */
const PAUSE_AFTER_FAILURE = 1_000;

/** The deadlines of the core, and the answers to its effects: an effect that failed is attempted again and again. */
const FOLLOWS_TIME: ReadonlySet<string> = new Set<Happening['type']>(['tick', 'done', 'failed']);

/**
 * Queue -> step -> perform. Here alone the core and the shell meet. The engine finishes one event with its effects
 * before it takes the next one.
 */
export class Engine {
  state: State;
  private readonly options: EngineOptions;
  private readonly queue: Happening[] = [];
  private draining = false;
  /** The event that must come first. */
  private awaited: Happening['type'] | null;
  private pausedUntil = 0;
  private timer: unknown = null;
  /** What `before` was called with last. */
  private recorded: { readonly state: State | null; readonly failed: number } = { state: null, failed: 0 };

  constructor(options: EngineOptions) {
    this.options = options;
    const { initial, first, now, firstGeneration, firstHandover } = options;
    this.awaited = initial === undefined ? (first ?? null) : 'continued';
    this.state = initial ?? initialState(now(), firstGeneration, firstHandover);
  }

  /** Passes an event to the core. */
  post(happening: Happening): void {
    if (happening.type === this.awaited) {
      this.awaited = null;
      this.queue.unshift(happening);
    } else this.queue.push(happening);
    if (this.awaited === null && !this.draining) this.drain();
  }

  /**
   * Treats all events that `run` posts as one batch: `settled` is called once, after the batch. Use this when the shell
   * finds many events at a time. Throws what `run` throws, after the posted events were processed.
   */
  batch(run: () => void): void {
    if (this.draining) {
      run();
      return;
    }
    this.draining = true;
    try {
      run();
    } finally {
      this.draining = false;
      if (this.awaited === null && this.queue.length > 0) this.drain();
    }
  }

  /** Stops the clock. Afterwards only posted events reach the core. */
  close(): void {
    if (this.timer !== null) this.options.timers.clear(this.timer);
    this.timer = null;
  }

  private drain(): void {
    this.draining = true;
    let happened = false;
    while (this.queue.length > 0) {
      const happenings = this.next();
      if (happenings.some(({ type }) => !FOLLOWS_TIME.has(type))) happened = true;
      const effects = this.stepAll(happenings);
      this.record(effects);
      for (const effect of effects) this.perform(effect);
    }
    this.draining = false;
    this.arm();
    this.options.settled(this.state, happened);
  }

  /** Takes the next event from the queue, or several events about workers. */
  private next(): Happening[] {
    const other = this.queue.findIndex((waiting) => !isWorkerEvent(waiting));
    return this.queue.splice(0, other === -1 ? this.queue.length : Math.max(1, other));
  }

  /** Failed effects that the core does not know yet are recorded, too: the state counts them as performed. */
  private record(effects: readonly Effect[]): void {
    const failed = this.queue.flatMap((waiting) => (waiting.type === 'failed' ? [waiting.effect] : []));
    const isRecorded = this.recorded.state === this.state && this.recorded.failed === failed.length;
    if (effects.length === 0 && (failed.length === 0 || isRecorded)) return;
    this.recorded = { state: this.state, failed: failed.length };
    this.options.before?.(this.state, [...failed, ...effects]);
  }

  private perform(effect: Effect): void {
    try {
      this.options.perform(effect);
    } catch (error) {
      // The remaining events must be processed after any exception.
      this.options.failed(`perform ${effect.type}`, error);
    }
  }

  /**
   * Many events about workers take one step, because each step takes the time of all workers. If that step fails, each
   * event gets a step of its own, so that the failure costs only one event.
   */
  private stepAll(happenings: readonly Happening[]): readonly Effect[] {
    const [first] = happenings;
    const at = this.options.now();
    if (first !== undefined && happenings.length === 1) return this.step({ ...first, at } as Event);
    const events = happenings.map((happening) => ({ ...happening, at }) as WorkerEvent);
    return this.step({ type: 'batch', at, events });
  }

  private step(event: Event): readonly Effect[] {
    const { now, failed, behaviour = step } = this.options;
    try {
      const { state, effects } = behaviour(this.state, event);
      this.state = state;
      return effects;
    } catch (error) {
      if (event.type === 'batch') return event.events.flatMap((one) => this.step(one));
      this.pausedUntil = now() + PAUSE_AFTER_FAILURE;
      failed(`step ${event.type}`, error);
      return [];
    }
  }

  private arm(): void {
    this.close();
    const { timers } = this.options;
    const deadline = nextDeadline(this.state);
    if (deadline === Number.POSITIVE_INFINITY) return;
    // Rounded up. A timer that fires a fraction of a millisecond early would find no due deadline and be armed again.
    const wait = Math.max(deadline, this.pausedUntil) - this.options.now();
    const delay = Math.min(MAX_TIMER, Math.max(0, Math.ceil(wait)));
    this.timer = timers.set(delay, () => this.post({ type: 'tick' }));
  }
}
