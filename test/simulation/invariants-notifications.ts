import assert from 'node:assert/strict';
import type { State } from '../../src/lifecycle/state.ts';
import { generationOf } from '../../src/lifecycle/state.ts';
import type { Step } from './books.ts';
import { isNotification } from './fake-hooks.ts';
import type { World } from './world.ts';

/** Hooks for events without an operator run once for each event, and nothing waits for them. */
export function notificationsAreSentOnce(world: World, step: Step): void {
  const { state } = world;
  nothingWaitsForThem(state);
  const waiting = inTime(world).filter(({ run }) => run.name !== 'on_replace');
  const happenings = waiting.map(({ run }) => `${run.name} of generation ${run.generation}`);
  assert.deepEqual(happenings, [...new Set(happenings)], 'the same notification waits twice');
  crashLoopsAreReportedOnce(world, step);
  recoveriesAreReported(world, step);
}

/** A hook past its time limit is being ended, and another one may wait behind it. */
function inTime({ state, clock }: World): State['notifications'] {
  return state.notifications.filter(({ running }) => !running || (!running.killed && clock < running.until));
}

function nothingWaitsForThem({ hooks, owed, handover }: State): void {
  for (const { run } of hooks)
    assert.ok(!isNotification(run.name), `${run.name} is in the queue of the hooks of handovers`);
  const known = new Set(hooks.map(({ run }) => run.hook));
  for (const { hook } of owed)
    assert.ok(hook === null || known.has(hook), 'a verdict waits for a hook of no handover');
  if (handover?.step.name === 'before_reload')
    assert.ok(known.has(handover.step.hook), 'a handover waits for a hook of no handover');
}

/** The hook runs once, not for each crash, until a worker has run for `resetAfter`. */
function crashLoopsAreReportedOnce({ books, state }: World, { before, effects }: Step): void {
  for (const effect of effects) {
    if (effect.type !== 'report' || effect.fact.event !== 'worker_exited') continue;
    const { generation, worker, uptime } = effect.fact;
    const { resetAfter = 0 } = books.settings.get(generation)?.restart ?? {};
    if (uptime >= resetAfter) books.crashLoops.delete(`${generation}.${worker}`);
  }
  // A worker that replaces a long-running one starts without crashes.
  for (const { id, workers } of before.generations) {
    for (const { index, attempts } of workers) if (attempts === 0) books.crashLoops.delete(`${id}.${index}`);
  }
  for (const { run } of state.notifications) {
    if (run.name !== 'on_crash_loop' || run.hook < before.nextHook) continue;
    const worker = `${run.generation}.${run.notice?.worker}`;
    assert.ok(!books.crashLoops.has(worker), `on_crash_loop of worker ${worker} runs more than once a loop`);
    books.crashLoops.add(worker);
  }
}

/** A supervisor that continues the service of a dead one runs the hook of the serving generation. */
function recoveriesAreReported(world: World, { before, event }: Step): void {
  const { state } = world;
  if (event.type !== 'continued' || event.planned || state.stop || state.exit) return;
  const serving = generationOf(state, state.incumbent);
  if (before.incumbent !== state.incumbent || !serving || serving.settings.hooks.onRecovery === null) return;
  const sent = inTime(world).filter(({ run }) => run.name === 'on_recovery' && run.generation === serving.id);
  assert.equal(sent.length, 1, 'a recovery runs its hook');
}
