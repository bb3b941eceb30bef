import type { Steering } from '../../lifecycle/steering.ts';
import { planFor } from './lane-plan.ts';
import type { LanePlan, Lanes } from './lanes.ts';

/** One steered listener and the inputs of its plan. */
export interface SteeredListener {
  readonly lanes: Lanes;
  /** Whether the generation that holds this acquisition has the listener. */
  readonly isHeldBy: (holder: object) => boolean;
}

/** The steering before the first `want`. */
export const AT_FIRST: Steering = { main: [0], canary: null, preview: null, previewFrom: [] };

/** Computes the plan of every steered listener as listeners and generations come and go. */
export class LanePlans {
  readonly #owners = new Map<number, object>();
  readonly #plans = new WeakMap<Lanes, LanePlan>();
  #wanted: Steering = AT_FIRST;
  /** The kernel still has the programs of another supervisor. */
  #assumed = false;

  /** Records that connections already go there. Nothing is steered until the next `steer`. */
  assume(wanted: Steering): void {
    this.#wanted = wanted;
    this.#assumed = true;
  }

  /** Sets where new connections are to go. */
  want(wanted: Steering): void {
    this.#wanted = wanted;
    this.#assumed = false;
  }

  /**
   * The plan to install for a listener. Null: no change.
   * @param always returns an unchanged plan, too: another program of the group may have attached its own
   */
  planOf({ lanes, isHeldBy }: SteeredListener, always: boolean): LanePlan | null {
    // Another event may have closed it between two steps.
    if (lanes.sockets.length === 0 || (this.#assumed && !always)) return null;
    const has = (lane: number) => {
      const owner = this.#owners.get(lane);
      return owner === undefined ? null : isHeldBy(owner);
    };
    const before = this.#plans.get(lanes) ?? null;
    const plan = planFor(this.#wanted, before, has, [...this.#owners.keys()]);
    return always || JSON.stringify(plan) !== JSON.stringify(before) ? plan : null;
  }

  /** Records that the kernel has the plan. */
  installed(lanes: Lanes, plan: LanePlan): void {
    this.#plans.set(lanes, plan);
  }

  /** Gives a lane to a generation. Returns whether it was not its owner before. */
  give(lane: number, owner: object): boolean {
    if (this.#owners.get(lane) === owner) return false;
    this.#owners.set(lane, owner);
    return true;
  }

  /** Removes an ended generation. */
  forget(owner: object): void {
    for (const [lane, held] of this.#owners) if (held === owner) this.#owners.delete(lane);
  }

  lanesOf(owner: object): number[] {
    return [...this.#owners].flatMap(([lane, held]) => (held === owner ? [lane] : []));
  }
}
