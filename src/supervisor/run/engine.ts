import type { Slices } from '../../common/slices.ts';
import type { Effect } from '../../lifecycle/effects.ts';
import type { Event } from '../../lifecycle/events.ts';
import { initialState, type State } from '../../lifecycle/state.ts';
import { nextDeadline, step } from '../../lifecycle/step.ts';
import type { Timers } from '../../readiness/index.ts';

/** A slice of time on the main thread. */
export type Slice = Pick<Slices, 'isOver'>;

const UNLIMITED: Slice = { isOver: () => false };

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
  /**
   * Begins a slice: what is left when it is over is done in a later turn of the event loop, through `defer`. Left out:
   * everything is done at once.
   */
  readonly slice?: () => Slice;
  readonly defer?: (run: () => void) => void;
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
 * before the next. With many workers one event has many effects, and many events come at a time: they are done in
 * slices, so that the main thread also does other work.
 */
export class Engine {
  state: State;
  private readonly options: EngineOptions;
  private readonly queue: Happening[] = [];
  /** Effects of the last step that are still to be performed. */
  private effects: Effect[] = [];
  /** Events are being handled, at once or in the next turn of the event loop. */
  private isBusy = false;
  /** The rest is done in a later turn of the event loop. */
  isPaused = false;
  /** More than time has gone by since the state was settled. */
  private happened = false;
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
    if (this.awaited === null && !this.isBusy) this.drain();
  }

  /**
   * What is posted while `run` runs is one batch: `settled` is called once behind it. Use it where the shell finds many
   * events at a time. Throws what `run` does, behind the events that were posted before.
   */
  batch(run: () => void): void {
    if (this.isBusy) {
      run();
      return;
    }
    this.isBusy = true;
    try {
      run();
    } finally {
      this.isBusy = false;
      if (this.awaited === null && this.queue.length > 0) this.drain();
    }
  }

  /** Does at once what waits for the next turn of the event loop. Call it before the process becomes another program. */
  finish(): void {
    if (this.isPaused) this.proceed(UNLIMITED);
  }

  /** Stops the clock; nothing happens any more unless it is posted. */
  close(): void {
    if (this.timer !== null) this.options.timers.clear(this.timer);
    this.timer = null;
  }

  private drain(): void {
    this.isBusy = true;
    this.proceed(this.options.slice?.() ?? UNLIMITED);
  }

  /**
   * Effects and events in their order, as long as the slice of time lasts. Whatever comes meanwhile waits behind them.
   * The state that `before` recorded names the effects that are still to be performed.
   */
  private proceed(slice: Slice): void {
    this.isPaused = false;
    while (this.next()) {
      if (!slice.isOver() || !this.hasMore()) continue;
      this.isPaused = true;
      this.options.defer?.(() => {
        if (this.isPaused) this.proceed(this.options.slice?.() ?? UNLIMITED);
      });
      return;
    }
    this.isBusy = false;
    const { happened } = this;
    this.happened = false;
    this.arm();
    this.options.settled(this.state, happened);
  }

  private hasMore(): boolean {
    return this.effects.length > 0 || this.queue.length > 0;
  }

  /** Performs one effect, or steps once. Returns false where there is nothing to do. */
  private next(): boolean {
    const effect = this.effects.shift();
    if (effect !== undefined) {
      this.perform(effect);
      return true;
    }
    const next = this.queue.shift();
    if (next === undefined) return false;
    if (next.type !== 'tick') this.happened = true;
    this.effects = [...this.step(next)];
    const unanswered = [...this.failedEffects(), ...this.effects];
    if (unanswered.length > 0) this.options.before?.(this.state, unanswered);
    return true;
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
