import { formatDuration } from '../common/duration.ts';
import { type Context, emit, report } from './context.ts';
import type { Of } from './events.ts';
import {
  describeExit,
  type Failure,
  type HandoverOutcome,
  type NotificationName,
  type Outcome,
} from './facts.ts';
import type { Generation } from './generation.ts';
import type { Handover } from './handover.ts';
import type { RunHook } from './hook.ts';
import type { HookSettings, Settings } from './settings.ts';
import { candidateOf, generationOf, type State } from './state.ts';
import { KILL_TIME } from './stopping.ts';
import { noteHookEnd } from './verdicts.ts';

const NEVER = Number.POSITIVE_INFINITY;

/** A hook that runs or waits. */
export interface Hook {
  readonly run: RunHook;
  /** Its time limit. */
  readonly timeout: number;
  /** null while it waits for the previous hook. */
  running: { since: number; until: number; killed: boolean } | null;
}

/**
 * The hook before a candidate is started, from the config that was read for the candidate. Returns its number; null
 * where there is none.
 */
export function hookBefore(context: Context, handover: Handover, settings: Settings): number | null {
  const { state } = context;
  const timeout = settings.hooks.beforeReload;
  // The first start is not a reload.
  if (timeout === null || state.incumbent === null) return null;
  return add(state, timeout, {
    name: 'before_reload',
    of: { handover: handover.id },
    handover: handover.id,
    generation: state.nextGeneration,
    path: settings.path,
    incumbent: state.incumbent,
    outcome: null,
  });
}

/** Input of a hook that runs afterwards. */
export interface Ending {
  readonly name: 'after_promote' | 'after_rollback';
  readonly handover: number | null;
  readonly generation: Generation;
  readonly outcome: Outcome;
}

/** The hook of the serving generation after a promotion or a rollback. Returns its number; null where there is none. */
export function hookAfter(
  context: Context,
  serving: Generation,
  { name, handover, generation, outcome }: Ending,
): number | null {
  const { state } = context;
  const { afterPromote, afterRollback } = serving.settings.hooks;
  const timeout = name === 'after_promote' ? afterPromote : afterRollback;
  if (timeout === null || state.stop) return null;
  return add(state, timeout, {
    name,
    of: { generation: serving.id },
    handover,
    generation: generation.id,
    path: generation.settings.path,
    incumbent: serving.id,
    outcome,
  });
}

/**
 * Adds a hook that nothing waits for. It does not run if the config does not have it, or zero stops.
 * @param whose the generation whose config has the command
 */
export function addNotification(
  { state }: Context,
  name: NotificationName,
  whose: Generation,
  run: Pick<RunHook, 'handover' | 'generation' | 'path' | 'outcome' | 'replacement' | 'notice'>,
): void {
  const timeout = whose.settings.hooks[NOTIFICATIONS[name]];
  if (timeout === null || state.stop) return;
  const { id } = whose;
  const hook = state.nextHook++;
  const { incumbent } = state;
  state.notifications.push({
    run: { type: 'run_hook', hook, name, of: { generation: id }, incumbent, ...run },
    timeout,
    running: null,
  });
}

const NOTIFICATIONS = {
  on_replace: 'onReplace',
  on_crash_loop: 'onCrashLoop',
  on_worker_stalled: 'onWorkerStalled',
  on_late_rollback: 'onLateRollback',
  on_recovery: 'onRecovery',
} as const satisfies Record<NotificationName, keyof HookSettings>;

function add(state: State, timeout: number, run: Omit<RunHook, 'type' | 'hook'>): number {
  const hook = state.nextHook++;
  state.hooks.push({ run: { type: 'run_hook', hook, ...run }, timeout, running: null });
  return hook;
}

/** Hooks of handovers come first. */
function allHooks({ hooks, notifications }: State): Hook[] {
  return [...hooks, ...notifications];
}

/** The first hook of each queue: it runs, or is next. */
export function firstHooks({ hooks, notifications }: State): Hook[] {
  return [...hooks.slice(0, 1), ...notifications.slice(0, 1)];
}

function hookWith(state: State, id: number): Hook | undefined {
  return allHooks(state).find(({ run }) => run.hook === id);
}

/** Whether the hook runs or waits. */
export function isKnownHook(state: State, id: number): boolean {
  return hookWith(state, id) !== undefined;
}

/** Starts the first waiting hook of each queue if none of that queue runs. */
export function startHooks(context: Context): void {
  const { state } = context;
  for (const hook of firstHooks(state)) {
    if (hook.running) continue;
    hook.running = { since: state.now, until: state.now + hook.timeout, killed: false };
    const { name, generation } = hook.run;
    report(context, { event: 'hook_started', hook: name, generation });
    emit(context, hook.run);
  }
}

/**
 * Returns the handover that the hook belonged to, and why the hook failed; null if the handover continues without it.
 */
export function onHookFinished(
  context: Context,
  event: Of<'hook_finished'>,
): { before: Handover; failure: Failure | null } | null {
  const hook = hookWith(context.state, event.hook);
  if (!hook?.running) return null;
  return end(context, hook, failureOf(hook, event), event.output);
}

function failureOf(hook: Hook, { exit, reason, output }: Of<'hook_finished'>): Failure | null {
  const step = `hook.${hook.run.name}`;
  if (hook.running?.killed) return { step, reason: `${overdue(hook)} and was killed`, output };
  if (exit === null) return { step, reason: reason ?? 'it could not be started' };
  return exit.kind === 'exited' && exit.code === 0
    ? null
    : { step, reason: describeExit(exit), exit, output };
}

const overdue = ({ timeout }: Hook): string => `it was not finished after ${formatDuration(timeout)}`;

/**
 * Kills a hook that takes too long, and stops waiting for one that survives SIGKILL. Returns the handover that waited
 * for it, and why it failed.
 */
export function tickHooks(context: Context): { before: Handover; failure: Failure | null } | null {
  const ended = firstHooks(context.state).map((hook) => tickHook(context, hook));
  return ended.find((one) => one !== null) ?? null;
}

function tickHook(context: Context, hook: Hook): ReturnType<typeof end> {
  const { now } = context.state;
  if (!hook.running || now < hook.running.until) return null;
  if (hook.running.killed) {
    const reason = `${overdue(hook)}, and SIGKILL did not end it`;
    return end(context, hook, { step: `hook.${hook.run.name}`, reason }, []);
  }
  emit(context, { type: 'kill_hook', hook: hook.run.hook });
  hook.running.killed = true;
  hook.running.until = now + KILL_TIME;
  return null;
}

/** When a running hook wants a `tick`; Infinity for never. */
export function hooksDeadline(state: State): number {
  return Math.min(NEVER, ...firstHooks(state).map(({ running }) => running?.until ?? NEVER));
}

function end(
  context: Context,
  hook: Hook,
  failure: Failure | null,
  output: readonly string[],
): { before: Handover; failure: Failure | null } | null {
  const { state } = context;
  state.hooks = state.hooks.filter((other) => other !== hook);
  state.notifications = state.notifications.filter((other) => other !== hook);
  const { name, generation, hook: id } = hook.run;
  const duration = state.now - (hook.running?.since ?? state.now);
  report(context, { event: 'hook_finished', hook: name, generation, duration, failure, output });
  noteHookEnd(state, id, failure);
  const { handover } = state;
  return handover?.step.name === 'before_reload' && handover.step.hook === id
    ? { before: handover, failure }
    : null;
}

/** Drops a hook that is no longer needed. */
export function dropHook(context: Context, id: number, reason: string): void {
  const hook = hookWith(context.state, id);
  if (!hook) return;
  if (hook.running && !hook.running.killed) emit(context, { type: 'kill_hook', hook: id });
  end(context, hook, { step: `hook.${hook.run.name}`, reason }, []);
}

/** The supervisor exits and waits for no hook. */
export function dropHooks(context: Context, reason: string): void {
  for (const { run } of allHooks(context.state)) dropHook(context, run.hook, reason);
}

/** A started candidate has reached its end: it serves, or the incumbent keeps serving without it. */
export function hookAtEnd(context: Context, handover: Handover, outcome: HandoverOutcome): number | null {
  const candidate = generationOf(context.state, candidateOf(handover));
  if (!candidate || outcome === 'failed') return null;
  const promoted = outcome === 'promoted';
  const serving = promoted ? candidate : generationOf(context.state, handover.incumbent);
  const name = promoted ? 'after_promote' : 'after_rollback';
  const ending = { name, handover: handover.id, generation: candidate, outcome } as const;
  return serving ? hookAfter(context, serving, ending) : null;
}
