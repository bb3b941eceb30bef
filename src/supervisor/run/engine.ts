import type { Effect } from '../../lifecycle/effects.ts';
import type { Event } from '../../lifecycle/events.ts';
import { initialState, type State } from '../../lifecycle/state.ts';
import { nextDeadline, step } from '../../lifecycle/step.ts';
import type { Timers } from '../../readiness/index.ts';

/** An event as the shell knows it; the engine says when. */
export type Happening = Event extends infer E ? (E extends Event ? Omit<E, 'at'> : never) : never;

export interface EngineOptions {
  readonly now: () => number;
  readonly timers: Timers;
  /** The core; another one in tests. */
  readonly behaviour?: typeof step;
  /** The numbers of the first generation and of the first handover. */
  readonly firstGeneration: number;
  readonly firstHandover: number;
  /**
   * The state of another supervisor to continue from: `continued` is then the first event, and what is posted before it
   * comes after it. Left out: nothing has happened yet.
   */
  readonly initial?: State;
  /** The first event: what is posted before it comes after it. Left out: any event may be the first. */
  readonly first?: 'adopted';
  /**
   * Called after a step, before its first effect is performed, where there is one to name. Must not throw.
   * @param effects those of the step, and those of earlier ones that have failed without the core knowing it yet
   */
  readonly before?: (state: State, effects: readonly Effect[]) => void;
  /** Does what the core asks. What comes of it is posted as an event, at once or later. */
  readonly perform: (effect: Effect) => void;
  /**
   * An exception in a step or an effect. An event whose step failed has not happened: the state stays the last
   * consistent one. Must not throw.
   */
  readonly failed: (step: string, error: unknown) => void;
  /**
   * Called after a batch of events, when the state may have changed and every effect was performed.
   * @param happened false where nothing but time went by
   */
  readonly settled: (state: State, happened: boolean) => void;
}

/** setTimeout takes a signed 32-bit number of milliseconds; a later deadline is looked at again then. */
const MAX_TIMER = 2 ** 31 - 1;

/** After an exception in a step its deadline is still there; without a pause it would be reached again at once. */
const PAUSE_AFTER_FAILURE = 1_000;

/**
 * Queue -> step -> perform: the one place where the core and the shell meet. One event is done, effects included,
 * before the next.
 */
export class Engine {
  state: State;
  private readonly options: EngineOptions;
  private readonly queue: Happening[] = [];
  private draining = false;
  /** The event that everything else waits for. */
  private awaited: Happening['type'] | null;
  private pausedUntil = 0;
  private timer: unknown = null;

  constructor(options: EngineOptions) {
    this.options = options;
    const { initial, first, now, firstGeneration, firstHandover } = options;
    this.awaited = initial === undefined ? (first ?? null) : 'continued';
    this.state = initial ?? initialState(now(), firstGeneration, firstHandover);
  }

  /** Tells the core that something happened. */
  post(happening: Happening): void {
    if (happening.type === this.awaited) {
      this.awaited = null;
      this.queue.unshift(happening);
    } else this.queue.push(happening);
    if (this.awaited === null && !this.draining) this.drain();
  }

  /**
   * What is posted while `run` runs is one batch: `settled` is called once behind it. Use it where the shell finds many
   * events at a time. Throws what `run` does, behind the events that were posted before.
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

  /** Stops the clock; nothing happens any more unless it is posted. */
  close(): void {
    if (this.timer !== null) this.options.timers.clear(this.timer);
    this.timer = null;
  }

  private drain(): void {
    this.draining = true;
    let happened = false;
    for (let next = this.queue.shift(); next; next = this.queue.shift()) {
      if (next.type !== 'tick') happened = true;
      const effects = this.step(next);
      const unanswered = [...this.failedEffects(), ...effects];
      if (unanswered.length > 0) this.options.before?.(this.state, unanswered);
      for (const effect of effects) this.perform(effect);
    }
    this.draining = false;
    this.arm();
    this.options.settled(this.state, happened);
  }

  /** Effects that have failed, which the core does not know yet: the state counts them as performed. */
  private failedEffects(): Effect[] {
    return this.queue.flatMap((waiting) => (waiting.type === 'failed' ? [waiting.effect] : []));
  }

  private perform(effect: Effect): void {
    try {
      this.options.perform(effect);
    } catch (error) {
      // Whatever it is, the events behind it are still to come.
      this.options.failed(`perform ${effect.type}`, error);
    }
  }

  private step(happening: Happening): readonly Effect[] {
    const { now, failed, behaviour = step } = this.options;
    try {
      const { state, effects } = behaviour(this.state, { ...happening, at: now() } as Event);
      this.state = state;
      return effects;
    } catch (error) {
      this.pausedUntil = now() + PAUSE_AFTER_FAILURE;
      failed(`step ${happening.type}`, error);
      return [];
    }
  }

  private arm(): void {
    this.close();
    const { timers } = this.options;
    const deadline = nextDeadline(this.state);
    if (deadline === Number.POSITIVE_INFINITY) return;
    // Rounded up: a timer that fires a fraction of a millisecond early would find nothing to do and be armed again.
    const wait = Math.max(deadline, this.pausedUntil) - this.options.now();
    const delay = Math.min(MAX_TIMER, Math.max(0, Math.ceil(wait)));
    this.timer = timers.set(delay, () => this.post({ type: 'tick' }));
  }
}
