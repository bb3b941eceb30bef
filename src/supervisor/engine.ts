import type { Effect } from '../lifecycle/effects.ts';
import type { Event } from '../lifecycle/events.ts';
import { initialState, type State } from '../lifecycle/state.ts';
import { nextDeadline, step } from '../lifecycle/step.ts';

/** An event as the shell knows it; the engine says when. */
export type Happening = Event extends infer E ? (E extends Event ? Omit<E, 'at'> : never) : never;

export interface EngineOptions {
  readonly now: () => number;
  /** The number of the first generation. */
  readonly firstGeneration: number;
  /** Does what the core asks. What comes of it is posted as an event, at once or later. */
  readonly perform: (effect: Effect) => void;
  /**
   * Called after a batch of events, when the state may have changed and every effect was performed.
   * @param happened false where nothing but time went by
   */
  readonly settled: (state: State, happened: boolean) => void;
}

/** setTimeout takes a signed 32-bit number of milliseconds; a later deadline is looked at again then. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** Queue -> step -> perform: the one place where the core and the shell meet. One event is done, effects included, before the next. */
export class Engine {
  state: State;
  private readonly options: EngineOptions;
  private readonly queue: Happening[] = [];
  private draining = false;
  private timer: NodeJS.Timeout | null = null;

  constructor(options: EngineOptions) {
    this.options = options;
    this.state = initialState(options.now(), options.firstGeneration);
  }

  /** Tells the core that something happened. */
  post(happening: Happening): void {
    this.queue.push(happening);
    if (!this.draining) this.drain();
  }

  /** Stops the clock; nothing happens any more unless it is posted. */
  close(): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
  }

  private drain(): void {
    this.draining = true;
    let happened = false;
    try {
      for (let next = this.queue.shift(); next; next = this.queue.shift()) {
        if (next.type !== 'tick') happened = true;
        const { state, effects } = step(this.state, { ...next, at: this.options.now() } as Event);
        this.state = state;
        for (const effect of effects) this.options.perform(effect);
      }
    } finally {
      this.draining = false;
    }
    this.arm();
    this.options.settled(this.state, happened);
  }

  private arm(): void {
    this.close();
    const deadline = nextDeadline(this.state);
    if (deadline === Number.POSITIVE_INFINITY) return;
    // Rounded up: a timer that fires a fraction of a millisecond early would find nothing to do and be armed again.
    const delay = Math.min(LONGEST_TIMER, Math.max(0, Math.ceil(deadline - this.options.now())));
    this.timer = setTimeout(() => this.post({ type: 'tick' }), delay);
  }
}
