import type { Steering } from '../../lifecycle/steering.ts';
import { planFor } from './lane-plan.ts';
import type { LanePlan, Lanes } from './lanes.ts';

/** One steered listener, with what its plan depends on. */
export interface SteeredListener {
  readonly lanes: Lanes;
  /** Whether the generation that holds this acquisition has the listener. */
  readonly isHeldBy: (holder: object) => boolean;
}

/** Where connections go before anybody says so. */
export const AT_FIRST: Steering = { main: [0], canary: null, preview: null, previewFrom: [] };

/** Knows where every steered listener is to be steered, as listeners and generations come and go. */
export class LanePlans {
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

  /** From now on new connections are wanted there. */
  want(wanted: Steering): void {
    this.#wanted = wanted;
    this.#assumed = false;
  }

  /**
   * What a listener is to be steered to; null: as it is.
   * @param always also the plan that it has: another program of its group may have attached one of its own
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

  /** The kernel has the plan. */
  installed(lanes: Lanes, plan: LanePlan): void {
    this.#plans.set(lanes, plan);
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
}
