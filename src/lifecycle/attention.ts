import { ownWorkers } from './generation.ts';
import { attendedLanes, attends, isQuiet } from './lane.ts';
import { generationOf, type State } from './state.ts';
import { type Steering, steeredLanes } from './steering.ts';

/** Lanes whose queues are watched, because no process accepts their connections. */
export interface Attention {
  readonly lanes: readonly number[];
  /**
   * Those of `lanes` whose sockets other workers of the generation may have, too: all of them share a Unix listener's.
   */
  readonly shared: readonly number[];
}

export function attentionOf(state: State, steering: Steering | null): Attention {
  const lanes = steering === null ? [] : lanesToAttend(state, steering);
  return { lanes, shared: lanes.filter((lane) => hasSharers(state, lane)) };
}

/** Lanes that may still get connections, or have some queued, while no worker accepts. */
function lanesToAttend(state: State, steering: Steering): number[] {
  // A rescue worker belongs to the generation in charge.
  const serving = generationOf(state, state.incumbent);
  if (state.stop || !serving || serving.stage.name === 'stopping') return [];
  // Connections are steered to hung workers as long as no worker accepts. A killed one exits and is restarted.
  const hung = ownWorkers(serving).filter(({ life }) => life.name === 'up' && life.hung && !life.killed);
  const unattended = new Set(hung.map(({ lane }) => lane));
  // Fast path: usually every lane is quiet, or steered to and attended.
  const open = openLanes(state, steeredLanes(steering), unattended);
  if (open.length === 0) return [];
  const restarting = ownWorkers(serving)
    .filter(({ life }) => life.name !== 'ended' && !(life.name === 'up' && life.hung))
    .map(({ lane }) => lane);
  const theirs = new Set(restarting);
  const attended = attendedLanes(state);
  return open.filter((lane) => !theirs.has(lane) && !attended.has(lane));
}

/**
 * Lanes that are not quiet, and whose workers do not accept if they are steered to. Called at every step, with several
 * lanes for each worker.
 */
function openLanes(state: State, steered: ReadonlySet<number>, unattended: ReadonlySet<number>): number[] {
  const open: number[] = [];
  for (let lane = 0; lane < state.lanes.length; lane += 1) {
    if ((!steered.has(lane) || unattended.has(lane)) && !isQuiet(state, lane)) open.push(lane);
  }
  return open;
}

/**
 * Whether workers of other lanes accept from the sockets of a lane. On a Unix listener all workers of a generation have
 * the socket of its first lane.
 */
function hasSharers(state: State, lane: number): boolean {
  return state.generations.some(
    ({ firstLane, workers }) =>
      firstLane === lane &&
      workers.some((worker) => worker.lane !== lane && !worker.rescue && attends(worker)),
  );
}
