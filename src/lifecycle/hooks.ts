import { type Context, emit, report } from './context.ts';
import type { Of } from './events.ts';
import { describeExit } from './exit-text.ts';
import type { Failure, Outcome } from './facts.ts';
import type { Generation } from './generation.ts';
import type { Handover } from './handover.ts';
import type { RunHook } from './hook.ts';
import type { Settings } from './settings.ts';
import type { State } from './state.ts';
import { KILL_TIME } from './stopping.ts';
import { noteHookEnd } from './verdicts.ts';

const NEVER = Number.POSITIVE_INFINITY;

/** A hook that runs or is to. */
export interface Hook {
  readonly run: RunHook;
  /** How long it may take. */
  readonly timeout: number;
  /** null while it waits for the one before it. */
  running: { since: number; until: number; killed: boolean } | null;
}

/**
 * The hook before a candidate is started, as the config has it that was read for it. Returns its number; null where
 * there is none.
 */
export function hookBefore(context: Context, handover: Handover, settings: Settings): number | null {
  const { state } = context;
  const timeout = settings.hooks.beforeReload;
  // The first start is no reload.
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

/** What a hook afterwards is told. */
export interface Ending {
  readonly name: 'after_promote' | 'after_rollback';
  readonly handover: number | null;
  readonly generation: Generation;
  readonly outcome: Outcome;
}

/**
 * The hook after a generation was promoted or rolled back, of the generation that serves. Returns its number; null
 * where there is none.
 */
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

/** The hook after a worker was replaced, or could not be, of the generation that has it. */
export function hookOnReplace(
  { state }: Context,
  { id, settings }: Generation,
  { outcome, ...replacement }: NonNullable<RunHook['replacement']> & { readonly outcome: RunHook['outcome'] },
): void {
  const timeout = settings.hooks.onReplace;
  if (timeout === null || state.stop) return;
  add(state, timeout, {
    name: 'on_replace',
    of: { generation: id },
    handover: null,
    generation: id,
    path: settings.path,
    incumbent: state.incumbent,
    outcome,
    replacement,
  });
}

function add(state: State, timeout: number, run: Omit<RunHook, 'type' | 'hook'>): number {
  const hook = state.nextHook++;
  state.hooks.push({ run: { type: 'run_hook', hook, ...run }, timeout, running: null });
  return hook;
}

/** The first one that waits is started when none runs. */
export function startHook(context: Context): void {
  const { state } = context;
  const [hook] = state.hooks;
  if (!hook || hook.running) return;
  hook.running = { since: state.now, until: state.now + hook.timeout, killed: false };
  const { name, generation } = hook.run;
  report(context, { event: 'hook_started', hook: name, generation });
  emit(context, hook.run);
}

/** Returns the handover that it was the hook of, and why it failed; null when that goes on without it. */
export function onHookFinished(
  context: Context,
  event: Of<'hook_finished'>,
): { before: Handover; failure: Failure | null } | null {
  const hook = context.state.hooks.find(({ run }) => run.hook === event.hook);
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

const overdue = ({ timeout }: Hook): string => `it was not done after ${timeout} ms`;

/** One that takes too long is killed; one that does not even leave then is not waited for. */
export function tickHooks(context: Context): { before: Handover; failure: Failure | null } | null {
  const { state } = context;
  const [hook] = state.hooks;
  if (!hook?.running || state.now < hook.running.until) return null;
  if (hook.running.killed) {
    const reason = `${overdue(hook)}, and SIGKILL did not end it`;
    return end(context, hook, { step: `hook.${hook.run.name}`, reason }, []);
  }
  emit(context, { type: 'kill_hook', hook: hook.run.hook });
  hook.running.killed = true;
  hook.running.until = state.now + KILL_TIME;
  return null;
}

/** When the one that runs wants a `tick`; Infinity for never. */
export function hooksDeadline({ hooks }: State): number {
  return hooks[0]?.running?.until ?? NEVER;
}

function end(
  context: Context,
  hook: Hook,
  failure: Failure | null,
  output: readonly string[],
): { before: Handover; failure: Failure | null } | null {
  const { state } = context;
  state.hooks = state.hooks.filter((other) => other !== hook);
  const { name, generation, hook: id } = hook.run;
  const duration = state.now - (hook.running?.since ?? state.now);
  report(context, { event: 'hook_finished', hook: name, generation, duration, failure, output });
  noteHookEnd(state, id, failure);
  const { handover } = state;
  return handover?.step.name === 'before_reload' && handover.step.hook === id
    ? { before: handover, failure }
    : null;
}

/** Nobody wants it any more. */
export function dropHook(context: Context, id: number, reason: string): void {
  const hook = context.state.hooks.find(({ run }) => run.hook === id);
  if (!hook) return;
  if (hook.running && !hook.running.killed) emit(context, { type: 'kill_hook', hook: id });
  end(context, hook, { step: `hook.${hook.run.name}`, reason }, []);
}

/** The supervisor exits: no hook is waited for. */
export function dropHooks(context: Context, reason: string): void {
  for (const { run } of [...context.state.hooks]) dropHook(context, run.hook, reason);
}
