/*
 * The hooks for events without an operator: a crash loop, a hung worker, a rollback after the promotion, the recovery
 * of the supervisor, the replacement of a worker. Each runs with the config of the serving generation.
 *
 * While a hook runs or waits, the same event of the same generation starts no second one. So a service that keeps
 * crashing never fills the queue.
 */
import { type Context, report } from './context.ts';
import type { Failure, NotificationName } from './facts.ts';
import type { Generation } from './generation.ts';
import type { Handover } from './handover.ts';
import type { Notice, RunHook } from './hook.ts';
import { addNotification } from './hooks.ts';
import { generationOf, type State } from './state.ts';
import type { Worker } from './worker.ts';

/**
 * A worker that was restarted this often in a row is in a crash loop. systemd uses the same number (StartLimitBurst= in
 * systemd.unit(5)).
 */
const CRASH_LOOP = 5;

/** A worker has exited unexpectedly. The first worker of a generation that enters a crash loop is reported. */
export function noteRestart(context: Context, generation: Generation, worker: Worker): void {
  const { state } = context;
  const { attempts: restarts, rescue, index, life, lastExit } = worker;
  if (rescue || life.name !== 'backoff' || restarts !== CRASH_LOOP) return;
  const others = generation.workers.filter((other) => other !== worker);
  if (others.some((other) => isLooping(state, generation, other))) return;
  const last = lastExit?.reason ?? 'reason unknown';
  report(context, { event: 'crash_loop', generation: generation.id, worker: index, restarts, reason: last });
  const reason = `worker ${index} was restarted ${restarts} times in a row: ${last}`;
  notify(context, 'on_crash_loop', generation, { worker: index, cause: null, reason });
}

/** Whether the worker is neither stable again nor leaving. */
function isLooping({ now }: State, { settings }: Generation, { rescue, attempts, life }: Worker): boolean {
  if (rescue || attempts < CRASH_LOOP) return false;
  if (life.name === 'up') return now < life.since + settings.restart.resetAfter;
  return life.name === 'backoff' || life.name === 'spawning';
}

/** A worker has become hung. */
export function noteStall(context: Context, generation: Generation, worker: number, reason: string): void {
  notify(context, 'on_worker_stalled', generation, { worker, cause: null, reason });
}

/**
 * A generation has failed after its promotion.
 * @param serving the generation that serves again
 * @param handover its number, where it was still in progress (soak)
 */
export function noteLateRollback(
  context: Context,
  serving: Generation,
  generation: Generation,
  { step: cause, reason, worker }: Failure,
  handover: number | null,
): void {
  const more = { handover, outcome: 'rolled_back' } as const;
  notify(context, 'on_late_rollback', generation, { worker: worker ?? null, cause, reason }, more, serving);
}

/** A handover has ended with a rollback. In its soak the candidate was promoted already. */
export function noteRolledBack(
  context: Context,
  { id, step, incumbent }: Pick<Handover, 'id' | 'step' | 'incumbent'>,
  failure: Failure,
): void {
  if (step.name !== 'soak') return;
  const candidate = generationOf(context.state, step.candidate);
  const serving = generationOf(context.state, incumbent);
  if (candidate && serving) noteLateRollback(context, serving, candidate, failure, id);
}

/** This supervisor continues the service of one that died. */
export function noteRecovery(context: Context, previous: number): void {
  const { generations, incumbent } = context.state;
  const generation = generationOf(context.state, incumbent) ?? generations.at(-1);
  const reason = `the supervisor (pid ${previous}) died, and another one continues its service`;
  if (generation) notify(context, 'on_recovery', generation, { worker: null, cause: null, reason });
}

/** The hook after a worker was replaced, or could not be. Each replacement runs its own. */
export function noteReplacement(
  context: Context,
  generation: Generation,
  { outcome, ...replacement }: NonNullable<RunHook['replacement']> & Pick<RunHook, 'outcome'>,
): void {
  const { id, settings } = generation;
  const run = { handover: null, generation: id, path: settings.path, outcome, replacement };
  addNotification(context, 'on_replace', generation, run);
}

function notify(
  context: Context,
  name: NotificationName,
  { id, settings }: Generation,
  notice: Notice,
  more: Pick<RunHook, 'handover' | 'outcome'> = { handover: null, outcome: null },
  serving: Generation | undefined = generationOf(context.state, context.state.incumbent),
): void {
  const { state } = context;
  // A hook that has exceeded its limit is being ended and does not count.
  const isSame = ({ run, running }: State['notifications'][number]) =>
    run.name === name &&
    run.generation === id &&
    (running === null || (!running.killed && state.now < running.until));
  const whose = serving ?? generationOf(state, id);
  if (!whose || state.notifications.some(isSame)) return;
  addNotification(context, name, whose, { generation: id, path: settings.path, notice, ...more });
}
