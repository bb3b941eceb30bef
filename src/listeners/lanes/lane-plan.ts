import type { Steering } from '../../lifecycle/steering.ts';
import type { LanePlan } from './lanes.ts';

/**
 * Applies the steering to one listener. Not every generation has every listener, because a reload adds and removes
 * listeners. Lanes of a generation without this listener are left out, because no worker accepts there. If that leaves
 * no main lane, the previous plan stays (a removed listener keeps its last generation). Without a previous plan, the
 * lanes of the generation that has the listener are used (an added listener).
 *
 * @param has whether the generation that last owned the lane has the listener; null for a lane without an owner
 * @param given every lane that was given to a generation
 */
export function planFor(
  wanted: Steering,
  before: LanePlan | null,
  has: (lane: number) => boolean | null,
  given: readonly number[],
): LanePlan {
  const usable = (lanes: readonly number[]) => lanes.filter((lane) => has(lane) !== false);
  const certain = (lanes: readonly number[]) => lanes.filter((lane) => has(lane) === true);
  const choices = [usable(wanted.main), certain(before?.main ?? []), certain(given), wanted.main, [0]];
  const main = choices.find((lanes) => lanes.length > 0) ?? [0];
  const canary = wanted.canary && { ...wanted.canary, lanes: usable(wanted.canary.lanes) };
  const preview = usable(wanted.preview ?? []);
  return {
    main,
    canary: canary && canary.lanes.length > 0 ? canary : null,
    preview:
      preview.length > 0 && wanted.previewFrom.length > 0
        ? { lanes: preview, from: wanted.previewFrom }
        : null,
  };
}

/** Every lane that new connections can go to. */
export function lanesOf({ main, canary, preview }: LanePlan): number[] {
  return [...main, ...(canary?.lanes ?? []), ...(preview?.lanes ?? [])];
}

/**
 * The plan reduced to the remaining lanes of a group.
 * @param left the remaining lanes; all of them are used if the plan loses every main lane
 */
export function narrowedPlan(plan: LanePlan, left: readonly number[]): LanePlan {
  const main = plan.main.filter((lane) => left.includes(lane));
  const canary = plan.canary && {
    ...plan.canary,
    lanes: plan.canary.lanes.filter((lane) => left.includes(lane)),
  };
  const preview = plan.preview && {
    ...plan.preview,
    lanes: plan.preview.lanes.filter((lane) => left.includes(lane)),
  };
  return {
    main: main.length > 0 ? main : left,
    canary: canary !== null && canary.lanes.length > 0 ? canary : null,
    preview: preview !== null && preview.lanes.length > 0 ? preview : null,
  };
}
