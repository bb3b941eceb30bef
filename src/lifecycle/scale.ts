/*
 * Requests for a different number of workers of the serving generation. Additional workers join (join.ts). Surplus
 * workers retire, and the request is answered when the last of them has exited. Deadline: that of the caller.
 */
import { type Context, emit, report } from './context.ts';
import type { Failure, ScaleOutcome } from './facts.ts';
import { type Generation, ownWorkers } from './generation.ts';
import { retireWorker } from './membership.ts';
import { generationOf, type State } from './state.ts';
import type { Worker } from './worker.ts';

export interface ScaleRequest {
  readonly ticket: string;
  readonly by: string;
  readonly from: number;
  readonly to: number;
  readonly since: number;
  /** When the caller's timeout expires; null: never. */
  readonly deadline: number | null;
}

/** A request whose surplus workers are still leaving. */
export interface OwedScale {
  readonly request: ScaleRequest;
  readonly generation: number;
  readonly leaving: readonly { readonly worker: number; readonly incarnation: number }[];
}

/** The result of a request for its caller. Durations in milliseconds. */
export interface ScaleResult {
  readonly outcome: ScaleOutcome;
  /** The serving generation; null where none serves. */
  readonly generation: number | null;
  readonly from: number;
  readonly to: number;
  /** The current number of workers, without those that leave. */
  readonly workers: number;
  readonly duration: number;
  readonly failure: Failure | null;
}

const NEVER = Number.POSITIVE_INFINITY;

/** The workers of a generation that run, or will run again. */
export function activeWorkers(generation: Generation | undefined): Worker[] {
  return ownWorkers(generation).filter(({ life }) => life.name !== 'ended');
}

/** Why the number of workers cannot be changed now; null if it can. */
export function scaleRefusal(state: State): string | null {
  const { handover, stop, incumbent } = state;
  if (stop) return 'the supervisor is stopping';
  if (handover)
    return `handover ${handover.id} is in progress (step ${handover.step.name}). Wait for its verdict, or end it with "zero promote" or "zero abort".`;
  const serving = generationOf(state, incumbent);
  return serving?.stage.name === 'serving' ? null : 'no generation serves';
}

/** Retires the workers above the wanted number: the least healthy first, then those with the highest index. */
export function retireSurplus(context: Context, generation: Generation, request: ScaleRequest): void {
  const best = activeWorkers(generation).sort((one, other) => rank(one) - rank(other));
  const surplus = best.slice(request.to);
  for (const worker of surplus) retireWorker(context, generation, worker);
  const leaving = surplus.map(({ index, incarnation }) => ({ worker: index, incarnation }));
  context.state.scales.push({ request, generation: generation.id, leaving });
}

function rank({ life }: Worker): number {
  if (life.name !== 'up' || life.hung) return 2;
  return life.readyAt === null || life.unhealthy !== null ? 1 : 0;
}

/** Answers requests whose workers have exited, or whose caller's timeout has expired. */
export function tickScales(context: Context): void {
  const { state } = context;
  const { scales, now, stop } = state;
  state.scales = [];
  for (const owed of scales) {
    const { request } = owed;
    if (stop) endScale(context, request, 'aborted', { step: 'stop', reason: 'the supervisor is stopping' });
    else if (hasEnded(state, owed)) endScale(context, request, 'done', null);
    else if (now >= (request.deadline ?? NEVER)) endScale(context, request, 'in_progress', null);
    else state.scales.push(owed);
  }
}

function hasEnded(state: State, { generation, leaving }: OwedScale): boolean {
  const workers = generationOf(state, generation)?.workers ?? [];
  return leaving.every(({ worker, incarnation }) => {
    const found = workers[worker];
    return found?.incarnation !== incarnation || found.life.name === 'ended';
  });
}

/** A newer request replaces the unanswered ones. */
export function supersedeScales(context: Context, failure: Failure): void {
  const { scales } = context.state;
  context.state.scales = [];
  for (const { request } of scales) endScale(context, request, 'superseded', failure);
}

export function endScale(
  context: Context,
  request: ScaleRequest,
  outcome: ScaleOutcome,
  failure: Failure | null,
): void {
  const { state } = context;
  const { from, to, since } = request;
  const duration = state.now - since;
  report(context, {
    event: 'scale_finished',
    generation: state.incumbent,
    from,
    to,
    outcome,
    duration,
    failure,
  });
  answerScale(context, request, outcome, failure);
}

export function answerScale(
  context: Context,
  { ticket, from, to, since }: ScaleRequest,
  outcome: ScaleOutcome,
  failure: Failure | null,
): void {
  const { state } = context;
  const generation = state.incumbent;
  const workers = activeWorkers(generationOf(state, generation)).length;
  const duration = state.now - since;
  const result = { outcome, generation, from, to, workers, duration, failure };
  emit(context, { type: 'scaled', ticket, result });
}

/** When the next caller's timeout expires; Infinity for never. */
export function scalesDeadline({ scales }: State): number {
  return Math.min(NEVER, ...scales.map(({ request }) => request.deadline ?? NEVER));
}
