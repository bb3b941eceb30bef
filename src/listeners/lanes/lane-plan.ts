import type { Steering } from '../../lifecycle/steering.ts';
import type { LanePlan } from './lanes.ts';

/**
 * What the steering means for one listener. Not every generation has every listener: a reload adds some and removes others. Lanes of a
 * generation that has not got this one are left out, as nobody accepts from them here; where that leaves no main lane it is what it was
 * before (a listener that was removed goes on with its last generation), else the lanes of the generation that has it (one that was added).
 *
 * @param has whether the generation that the lane was last given to has the listener; null for a lane that was given to none
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
 * The plan with only the lanes that are left of a group.
 * @param left all of them, for a plan that loses each of its main lanes
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
