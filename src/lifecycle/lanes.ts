import type { Generation, State, Worker } from './state.ts';

/** How many lanes are made at bind: a set for the incumbent, one for the candidate, and one for each that may retire meanwhile. */
export function lanesNeeded(workers: number, maxRetiring: number): number {
  return workers * (maxRetiring + 2);
}

/** Makes sure that there are at least so many lanes. */
export function ensureLanes(state: State, count: number): void {
  while (state.lanes.length < count) state.lanes.push({ awayAt: null, waiting: false });
}

/** A lane for a worker of a new generation. */
export function takeLane(state: State): number {
  const [lane = state.lanes.length] = nextLanes(state, 1);
  state.lanes[lane] = { awayAt: null, waiting: false };
  return lane;
}

/**
 * The lanes that so many workers would get: those that nobody holds and that no handshake can complete into any more, then more at the
 * end. A handshake that was answered while the lane was steered to puts its connection into this lane, however late it completes.
 */
export function nextLanes(state: State, count: number): number[] {
  const held = new Set(state.generations.flatMap(({ workers }) => workers.map(({ lane }) => lane)));
  const free = [...state.lanes.keys()].filter((lane) => !held.has(lane) && isQuiet(state, lane));
  const more = Array.from({ length: count }, (_, index) => state.lanes.length + index);
  return [...free, ...more].slice(0, count);
}

/** No connection can come into it any more, or yet. */
export function isPast(state: State, lane: number): boolean {
  const awayAt = state.lanes[lane]?.awayAt ?? null;
  return awayAt === null || state.now >= awayAt + state.handshakeTime;
}

/** No connection can come into it, and none waits in it. */
export function isQuiet(state: State, lane: number): boolean {
  return isPast(state, lane) && state.lanes[lane]?.waiting !== true;
}

/** Notes whether connections wait in a lane. */
export function seeQueue(state: State, lane: number, queued: number): void {
  const known = state.lanes[lane];
  if (known) known.waiting = queued > 0;
}

/** The workers that are there to accept from a lane, or soon will be. */
export function attendants(state: State, lane: number): { generation: Generation; worker: Worker }[] {
  return state.generations.flatMap((generation) =>
    generation.workers
      .filter((worker) => worker.lane === lane && attends(worker))
      .map((worker) => ({ generation, worker })),
  );
}

function attends({ life, relief }: Worker): boolean {
  if (life.name === 'up') return !life.hung;
  // A relief that failed is tried again after its backoff; another one beside it would fail alike.
  return life.name === 'spawning' || (relief && life.name === 'backoff');
}
