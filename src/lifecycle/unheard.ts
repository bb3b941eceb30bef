/*
 * Workers that may have reported readiness while no supervisor ran: sd_notify(3) drops the message when no process has
 * the socket. A worker that has not passed its gate `notify` within readiness.timeout of the supervisor's restart is
 * restarted once: by a replacement if its generation serves, so that no connection is lost.
 */
import { type Context, report } from './context.ts';
import type { WorkerKey } from './events.ts';
import { startReplacement } from './join.ts';
import { mayReplace } from './replacement.ts';
import { type State, workerOf } from './state.ts';
import { killRunning } from './stopping.ts';

export interface Unheard extends WorkerKey {
  readonly until: number;
}

/** While a handover or another replacement is in progress, a worker cannot be replaced. */
const NEXT_ATTEMPT = 10_000;

/** Records which workers wait for their readiness message when a supervisor continues. */
export function noteUnheard(state: State): void {
  state.unheard = state.generations.flatMap(({ id: generation, stage, settings, workers }) => {
    if (stage.name !== 'serving' && stage.name !== 'starting') return [];
    const until = state.now + settings.readinessTimeout;
    return workers.flatMap(({ index: worker, incarnation, life, rescue }) =>
      !rescue && life.name === 'up' && life.waiting.includes('notify')
        ? [{ generation, worker, incarnation, until }]
        : [],
    );
  });
}

export function tickUnheard(context: Context): void {
  const { state } = context;
  if (state.unheard.length === 0) return;
  const { unheard } = state;
  state.unheard = [];
  for (const one of unheard) {
    const { generation, worker } = workerOf(state, one) ?? {};
    if (!generation || worker?.life.name !== 'up' || !worker.life.waiting.includes('notify')) continue;
    const { now } = state;
    const isServing = generation.stage.name === 'serving';
    if (now < one.until) state.unheard.push(one);
    else if (isServing && !mayReplace(state, generation, worker))
      state.unheard.push({ ...one, until: now + NEXT_ATTEMPT });
    else {
      const subject = { generation: generation.id, worker: worker.index };
      report(context, { event: 'notify_lost', ...subject, pid: worker.life.pid });
      const reason = 'it has not reported READY=1 since zero was restarted';
      if (isServing) startReplacement(context, generation, worker, 'liveness', reason);
      else killRunning(context, generation, worker, reason);
    }
  }
}

/** When the next worker is restarted; Infinity for never. */
export function unheardDeadline({ unheard }: State): number {
  return Math.min(Number.POSITIVE_INFINITY, ...unheard.map(({ until }) => until));
}
