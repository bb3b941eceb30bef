import assert from 'node:assert/strict';
import type { Effect } from '../../src/lifecycle/effects.ts';
import { eventsOf } from '../../src/lifecycle/events.ts';
import { isKnownHook } from '../../src/lifecycle/hooks.ts';
import type { State } from '../../src/lifecycle/state.ts';
import { KILL_TIME } from '../../src/lifecycle/stopping.ts';
import { nameOf, type Step } from './books.ts';
import { answersAreTrue } from './invariants-answers.ts';
import { failuresAreHandled } from './invariants-failures.ts';
import { handoversAreConcluded } from './invariants-handovers.ts';
import { workersComeAndGoUnnoticed } from './invariants-membership.ts';
import { notificationsAreSentOnce } from './invariants-notifications.ts';
import { recoveriesAreUnnoticed } from './invariants-recovery.ts';
import { nobodyWaitsForNothing, oneHandoverAtATime, pendingRequestsAreKept } from './invariants-requests.ts';
import {
  failedCanaryIsUnsteered,
  lanesAreUsedAgainInTime,
  noQueueWithoutSomebody,
  noSecondRescueWorker,
  onlyReadyIsPromoted,
  onlyWhoAcceptsHasRecovered,
  publicConnectionsGoToWhoMayHaveThem,
  stepsEndAfterACheck,
  takenLaneIsNobodys,
} from './invariants-steering.ts';
import {
  askedToStopInTime,
  failedCandidateLeavesIncumbent,
  goesBackOnlyToAllOfIt,
  nobodyWaitsForWhoDrains,
  remainsGetTheirTime,
} from './invariants-stopping.ts';
import type { World } from './world.ts';

/** The conditions after every step of every history. Each is named after its promise. */
export function checkInvariants(world: World, step: Step): void {
  const { before, event, effects } = step;
  const { state } = world;
  // An effect that was performed usually changes nothing.
  if (state === before && effects.length === 0) return;
  listenersStayOpen(world, effects);
  onlyReadyIsPromoted(world, effects);
  takenLaneIsNobodys(world);
  failedCandidateLeavesIncumbent(before, event, state, effects);
  goesBackOnlyToAllOfIt(world, effects);
  askedToStopInTime(world, before, event, effects);
  nobodyWaitsForWhoDrains(world);
  remainsGetTheirTime(world, effects);
  oneHandoverAtATime(before, state, effects);
  publicConnectionsGoToWhoMayHaveThem(world);
  for (const one of eventsOf(event)) {
    failedCanaryIsUnsteered(world, one);
    onlyWhoAcceptsHasRecovered(world, one);
  }
  stepsEndAfterACheck(world, step);
  noQueueWithoutSomebody(world);
  noSecondRescueWorker(world, effects);
  lanesAreUsedAgainInTime(world, before, effects);
  pendingRequestsAreKept(before, event, state, effects);
  nobodyWaitsForNothing(state);
  answersAreTrue(world, step);
  workersComeAndGoUnnoticed(world, step);
  handoversAreConcluded(world, step);
  failuresAreHandled(world, step);
  recoveriesAreUnnoticed(world, step);
  sameReleaseIsRun(world);
  notificationsAreSentOnce(world, step);
  hooksEnd(world);
  hooksAllowTheStart(world, before, effects);
  const live = state.generations.filter(({ stage }) =>
    ['starting', 'ready', 'serving', 'standby'].includes(stage.name),
  );
  assert.ok(live.length <= 2, 'at most an incumbent and a candidate');
  if (world.books.steps % 16 === 0) {
    assert.deepEqual(JSON.parse(JSON.stringify(state)), state, 'the state is plain data');
    world.network.balance();
  }
}

/** A listening address never refuses connections: from the first bind until the stop begins the sockets are held. */
function listenersStayOpen(world: World, effects: readonly Effect[]): void {
  if (world.state.stop || world.exit) return;
  const released = effects.some(({ type }) => type === 'release');
  // A service that never ran, or whose restart policy has ended, is followed by the supervisor's exit or by the next
  // handover.
  const over = world.state.incumbent === null || world.state.handover !== null;
  if (released && !over) assert.ok(world.listeners.held > 0, 'no process holds the listeners');
}

/**
 * A process runs the release of its generation: the file, or the copy of it; a missing copy is reported. A worker that
 * joins others never runs anything else.
 */
function sameReleaseIsRun({ books }: World): void {
  const last = books.executed.at(-1);
  if (!last) return;
  assert.equal(last.executable, last.expected, `worker ${nameOf(last)} runs another release`);
  assert.ok(last.isRelease || !last.joins, `worker ${nameOf(last)} joins and runs another release`);
}

/** A hook that takes too long is killed in time, and one that survives SIGKILL does not block anything. */
function hooksEnd(world: World): void {
  for (const [hook, { since, timeout, killed }] of world.hooks.running) {
    const age = world.clock - since;
    assert.ok(killed || age <= timeout, `hook ${hook} runs for ${age} ms and may take ${timeout}`);
    const waited = isKnownHook(world.state, hook);
    assert.ok(!waited || age <= timeout + KILL_TIME, `hook ${hook} is still waited for`);
  }
}

/** Nothing may be started next to a running service before the hook of the new config has succeeded. */
function hooksAllowTheStart(world: World, before: State, effects: readonly Effect[]): void {
  for (const effect of effects) {
    if (effect.type !== 'adopt' || before.generations.length === 0 || before.incumbent === null) continue;
    const timeout = world.books.prepared.get(effect.handover)?.hooks.beforeReload ?? null;
    const isAllowed = timeout === null || world.hooks.allowed.has(effect.handover);
    assert.ok(isAllowed, 'started before its hook was done, or although that failed');
  }
}
