/*
 * The end of the supervisor: an operator stops it, the first start failed, or the restart policy ended with the last
 * worker.
 */
import { type Context, emit, report } from './context.ts';
import type { Of } from './events.ts';
import type { ExitStatus } from './facts.ts';
import { hasEnded, ownWorkers, stopGeneration } from './generation.ts';
import { finish } from './handover.ts';
import { dropHook, dropHooks } from './hooks.ts';
import { generationOf } from './state.ts';
import { giveUp, killWorker } from './stopping.ts';
import { conclude, deliverAllVerdicts, verdictOf } from './verdicts.ts';

const STOPPED: ExitStatus = { kind: 'exited', code: 0 };
const COULD_NOT_START: ExitStatus = { kind: 'exited', code: 1 };

export function onStop(context: Context, event: Of<'stop'>): void {
  const { state } = context;
  const now = event.now || state.stop !== null;
  report(context, { event: 'stop_requested', by: event.by, now });
  if (!state.stop) {
    state.stop = { since: state.now, now };
    abortAll(context, `stopped by ${event.by}`);
    dropHooks(context, `stopped by ${event.by}`);
  }
  state.stop.now ||= now;
  for (const generation of state.generations) {
    stopGeneration(context, generation);
    for (const worker of generation.workers) {
      if (worker.life.name === 'stopping' && worker.life.refused !== null)
        giveUp(context, generation, worker);
      else if (state.stop.now) killWorker(context, generation, worker, 'stop now');
    }
    if (state.stop.now) for (const remains of generation.remains) remains.until = state.now;
  }
}

/** Ends the handover and the request that waits behind it. */
function abortAll(context: Context, reason: string): void {
  const { state } = context;
  const failure = { step: 'stop', reason };
  const { handover, pending } = state;
  if (handover) {
    const { step } = handover;
    if (!('candidate' in step)) emit(context, { type: 'discard', handover: handover.id });
    if (step.name === 'before_reload') dropHook(context, step.hook, reason);
    finish(context, handover, 'aborted', failure);
  }
  state.pending = null;
  if (pending)
    conclude(context, pending.id, pending.callers, verdictOf('aborted', state.now - pending.since, failure));
}

/** A stop is complete when the last process has exited. */
export function exitWhenStopped(context: Context): void {
  if (context.state.generations.length === 0) exit(context, STOPPED);
}

/** Exits if nothing runs or will run: no generation ever served, or the restart policy ended with the last worker. */
export function exitWhenEnded(context: Context): void {
  const { state } = context;
  if (state.handover || state.exit) return;
  const incumbent = generationOf(state, state.incumbent);
  if (!incumbent) {
    if (state.generations.length === 0) exit(context, COULD_NOT_START);
    return;
  }
  if (state.generations.length > 1 || incumbent.stage.name === 'stopping' || !hasEnded(incumbent)) return;
  const last = ownWorkers(incumbent).findLast(({ life }) => life.name === 'ended' && life.exit !== null);
  exit(context, last?.life.name === 'ended' && last.life.exit ? last.life.exit : COULD_NOT_START);
}

function exit(context: Context, status: ExitStatus): void {
  context.state.exit = status;
  dropHooks(context, 'zero exits');
  deliverAllVerdicts(context);
  emit(context, { type: 'exit', exit: status });
}
