import type { Steering } from '../lifecycle/steering.ts';
import { planFor } from './lane-plan.ts';
import type { LanePlan, Lanes } from './lanes.ts';

/** One steered listener, as the steerer sees it. */
export interface SteeredListener {
  readonly lanes: Lanes;
  /** Whether the generation that holds this acquisition has the listener. */
  readonly isHeldBy: (holder: object) => boolean;
}

/** Where connections go before anybody says so. */
export const AT_FIRST: Steering = { main: [0], canary: null, preview: null, previewFrom: [] };

/** Keeps every steered listener as the newest steering wants it, as listeners and generations come and go. */
export class LaneSteerer {
  readonly #owners = new Map<number, object>();
  readonly #plans = new WeakMap<Lanes, LanePlan>();
  #wanted: Steering = AT_FIRST;
  /** The kernel still has the programs of another supervisor. */
  #assumed = false;

  /** Connections go there already. Nothing is steered until the next `steer`. */
  assume(wanted: Steering): void {
    this.#wanted = wanted;
    this.#assumed = true;
  }

  /** Each step is one listener. Throws ListenerError; listeners before the one that failed are steered then. */
  *steer(wanted: Steering, listeners: Iterable<SteeredListener>): Generator<void, void, void> {
    this.#wanted = wanted;
    this.#assumed = false;
    for (const listener of listeners) {
      // Also where nothing changes: somebody else in the group may have attached a program of its own.
      this.#apply(listener, true);
      yield;
    }
  }

  /** Steers one listener, if it is not as it should be. Throws ListenerError. */
  apply(listener: SteeredListener): void {
    if (!this.#assumed) this.#apply(listener, false);
  }

  /** A lane is a generation's from now on. Returns whether it was not before. */
  give(lane: number, owner: object): boolean {
    if (this.#owners.get(lane) === owner) return false;
    this.#owners.set(lane, owner);
    return true;
  }

  /** The generation is gone. */
  forget(owner: object): void {
    for (const [lane, held] of this.#owners) if (held === owner) this.#owners.delete(lane);
  }

  lanesOf(owner: object): number[] {
    return [...this.#owners].flatMap(([lane, held]) => (held === owner ? [lane] : []));
  }

  #apply({ lanes, isHeldBy }: SteeredListener, always: boolean): void {
    // Another event may have closed it between two steps.
    if (lanes.sockets.length === 0) return;
    const has = (lane: number) => {
      const owner = this.#owners.get(lane);
      return owner === undefined ? null : isHeldBy(owner);
    };
    const before = this.#plans.get(lanes) ?? null;
    const plan = planFor(this.#wanted, before, has, [...this.#owners.keys()]);
    if (!always && JSON.stringify(plan) === JSON.stringify(before)) return;
    lanes.steer(plan);
    this.#plans.set(lanes, plan);
  }
}
