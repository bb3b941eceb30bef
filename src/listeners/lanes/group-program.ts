import type { InetSocketAddress } from '../diagnosis/probe-host.ts';
import type { GroupOrder } from './group-order.ts';
import type { LanePlan } from './lanes.ts';
import { parseSourceRange } from './source-range.ts';
import { type ProbeRoute, steeringProgram } from './steering-program.ts';

/** An open test connection and the lane that it is steered to. */
export interface OpenProbe {
  readonly local: InetSocketAddress;
  readonly lane: number;
}

/** The program of a group: converts the lanes of a plan to their indices in the group. */
export function groupProgram(
  { main, canary, preview }: LanePlan,
  order: GroupOrder,
  probes: Iterable<OpenProbe>,
  routes: readonly ProbeRoute[],
): ReturnType<typeof steeringProgram> {
  const indicesOf = (lanes: readonly number[]) => lanes.flatMap((lane) => order.indexOf(lane) ?? []);
  const open = [...probes].flatMap(({ local: { family, host, port }, lane }) => {
    const index = order.indexOf(lane);
    return index === null ? [] : [{ family, host, port, index }];
  });
  return steeringProgram({
    probes: [...routes, ...open],
    preview: preview && { from: preview.from.map(parseSourceRange), indices: indicesOf(preview.lanes) },
    canary: canary && { ...canary, indices: indicesOf(canary.lanes) },
    main: indicesOf(main),
  });
}
