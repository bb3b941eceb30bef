/*
 * A lane is one listening socket of each steered listener. Its states and transitions:
 *
 *            a steering change that includes it is asked for
 *   unused ---------------------------------------------------> reached
 *     ^                                                          |  ^
 *     |  the longest handshake time has passed,                  |  | steered to again
 *     |  and nothing waits in the queue                          v  |
 *     +------------------------------------------------------- away
 *                                   a change without it is installed
 *
 * The lanes of a failed change stay reached: the kernel may have installed it on some listeners. Deadline: `quietAt`,
 * when no handshake can complete into the lane any more.
 */
import type { Generation } from './generation.ts';
import type { State } from './state.ts';
import type { Worker } from './worker.ts';

export interface Lane {
  state: LaneState;
  /** A connection was seen in its queue, or its process exited and its queue has not been read since. */
  waiting: boolean;
  /** A service had the lane before zero: other processes may accept from it, so no generation gets it (adopt.ts). */
  taken?: boolean;
}

export type LaneState =
  | { readonly name: 'unused' }
  /** The kernel may send new connections there. */
  | { readonly name: 'reached' }
  /** No new connection goes there. A handshake that was answered before `since` can still complete. */
  | { readonly name: 'away'; readonly since: number };

const NEVER = Number.POSITIVE_INFINITY;

/**
 * Number of lanes created at bind: one set for the incumbent, one for the candidate, and one for each generation that
 * may retire meanwhile.
 */
export function lanesNeeded(workers: number, maxRetiring: number): number {
  return workers * (maxRetiring + 2);
}

/** Adds lanes until there are `count`. */
export function ensureLanes(state: State, count: number): void {
  while (state.lanes.length < count) state.lanes.push({ state: { name: 'unused' }, waiting: false });
}

/** Takes a lane for a worker of a new generation. */
export function takeLane(state: State): number {
  const [lane = state.lanes.length] = nextLanes(state, 1);
  const known = state.lanes[lane];
  if (known?.state.name !== 'reached') state.lanes[lane] = { state: { name: 'unused' }, waiting: false };
  else known.waiting = false;
  return lane;
}

/**
 * The lanes that `count` workers would get: free lanes into which no handshake can complete any more, then new ones. A
 * handshake that was answered while a lane was steered to puts its connection into that lane, however late it
 * completes.
 */
export function nextLanes(state: State, count: number): number[] {
  const held = new Set(
    state.generations.flatMap(({ workers, firstLane }) => [
      firstLane,
      ...workers.filter(holdsLane).map(({ lane }) => lane),
    ]),
  );
  const isFree = (lane: number) =>
    state.lanes[lane]?.taken !== true && (isQuiet(state, lane) || isOrphaned(state, lane));
  const next: number[] = [];
  for (let lane = 0; next.length < count; lane += 1) {
    if (lane >= state.lanes.length || (!held.has(lane) && isFree(lane))) next.push(lane);
  }
  return next;
}

/** The lane for the sockets of an adopted service. */
export const TAKEN_LANE = 0;

/** Whether this is the first worker of an adopted generation, whose process zero did not start. */
export function isAdopted({ adopted }: Generation, { index, incarnation, rescue }: Worker): boolean {
  return adopted === true && index === 0 && incarnation === 1 && !rescue;
}

/** The process of an adopted service has exited. The command that replaces it gets its own lane. */
export function leaveTakenLane(state: State, generation: Generation, worker: Worker): void {
  if (!isAdopted(generation, worker)) return;
  delete generation.adopted;
  if (!generation.settings.handover.steered) return;
  worker.lane = takeLane(state);
  generation.firstLane = worker.lane;
}

/** Whether the worker still needs its lane. An ended worker that left its generation does not. */
export function holdsLane({ life, rescue, membership }: Worker): boolean {
  return life.name !== 'ended' || (!rescue && membership === 'member');
}

/** Nothing serves: connections that still arrive wait for the next worker of the lane. */
function isOrphaned(state: State, lane: number): boolean {
  return state.incumbent === null && isReached(state, lane);
}

/** Whether the kernel may send new connections there. */
export function isReached(state: State, lane: number): boolean {
  return state.lanes[lane]?.state.name === 'reached';
}

/** Whether no connection can arrive there any more, or yet. */
export function isPast(state: State, lane: number): boolean {
  const known = state.lanes[lane]?.state;
  if (known?.name === 'away') return state.now >= known.since + state.handshakeTime;
  return known?.name !== 'reached';
}

/** Whether no connection can arrive, and none waits. */
export function isQuiet(state: State, lane: number): boolean {
  return isPast(state, lane) && state.lanes[lane]?.waiting !== true;
}

/** When the last handshake can complete into a lane. Infinity if that is over, or not known yet. */
export function quietAt(state: State, lane: number): number {
  const known = state.lanes[lane]?.state;
  const at = known?.name === 'away' ? known.since + state.handshakeTime : NEVER;
  return at > state.now ? at : NEVER;
}

/** A change is requested: the kernel may steer to these lanes from now on. */
export function reachLanes(state: State, lanes: Iterable<number>): void {
  for (const lane of lanes) {
    ensureLanes(state, lane + 1);
    const known = state.lanes[lane];
    if (known) known.state = { name: 'reached' };
  }
}

/** A change is installed: new connections go to exactly these lanes. */
export function leaveOtherLanes(state: State, steered: ReadonlySet<number>): void {
  for (const [lane, known] of state.lanes.entries()) {
    if (known.state.name === 'reached' && !steered.has(lane))
      known.state = { name: 'away', since: state.now };
  }
}

/** Records whether connections wait in a lane. */
export function noteQueue(state: State, lane: number, queued: number): void {
  const known = state.lanes[lane];
  if (known) known.waiting = queued > 0;
}

/**
 * The process of a worker has exited. The content of the queues that it accepted from is unknown: the queue of its
 * lane, and on a Unix listener that of its generation's first lane. A reached lane is read when the steering leaves it.
 * A lane that was never steered to contains only zero's own probes. A watched lane reports its queue. Any other lane is
 * not quiet until its queue has been read.
 */
export function leaveQueues(state: State, { firstLane }: Generation, { lane }: Worker): void {
  for (const left of [lane, firstLane]) {
    const isAway = state.lanes[left]?.state.name === 'away';
    if (isAway && !state.demands.attend.lanes.includes(left)) noteQueue(state, left, 1);
  }
}

/** The lanes with a worker that accepts, or soon will. */
export function attendedLanes({ generations }: State): ReadonlySet<number> {
  const lanes = new Set<number>();
  for (const { workers } of generations)
    for (const worker of workers) if (attends(worker)) lanes.add(worker.lane);
  return lanes;
}

/** Whether the worker accepts, or soon will. */
export function attends({ life, rescue }: Worker): boolean {
  // A hung rescue worker was killed and is restarted. A second one next to it would hang, too.
  if (life.name === 'up') return !life.hung || (rescue && life.killed);
  // The same applies to a failed one.
  return life.name === 'spawning' || (rescue && life.name === 'backoff');
}

/**
 * Whether other processes accept, or soon will, from sockets of this worker: another worker has the same lane, or
 * processes remain of one that had it. On a Unix listener a rescue worker of the generation's first lane does, too.
 */
export function sharesSockets({ generations }: State, { firstLane }: Generation, worker: Worker): boolean {
  const { lane } = worker;
  const isNear = (other: Worker) => other.lane === lane || (other.rescue && other.lane === firstLane);
  return generations.some(({ workers, remains }) =>
    workers.some(
      (other) =>
        isNear(other) &&
        ((other !== worker && ['spawning', 'up', 'stopping'].includes(other.life.name)) ||
          remains.some((one) => one.worker === other.index)),
    ),
  );
}
