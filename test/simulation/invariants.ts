import assert from 'node:assert/strict';
import type { Effect } from '../../src/lifecycle/effects.ts';
import type { Event } from '../../src/lifecycle/events.ts';
import { type Generation, ownWorkers } from '../../src/lifecycle/generation.ts';
import { candidateOf, generationOf, type State } from '../../src/lifecycle/state.ts';
import type { Steering } from '../../src/lifecycle/steering.ts';
import { KILL_TIME } from '../../src/lifecycle/worker.ts';
import { isSound } from './draw.ts';
import type { World } from './world.ts';

/** What must be true after every step of every history. Each names the promise it stands for. */
export function checkInvariants(world: World, before: State, event: Event, effects: readonly Effect[]): void {
  const { state } = world;
  listenersStayOpen(world, effects);
  onlyReadyIsPromoted(world, effects);
  failedCandidateLeavesIncumbent(before, state, effects);
  goesBackOnlyToAllOfIt(world, effects);
  toldToStopInTime(world, before, event, effects);
  nobodyWaitsForWhoDrains(world);
  oneHandoverAtATime(before, state, effects);
  publicConnectionsGoToWhoMayHaveThem(world);
  failedCanaryIsUnsteered(world, event);
  noQueueWithoutSomebody(world);
  lanesAreUsedAgainInTime(world, before, effects);
  pendingRequestsAreKept(before, event, state, effects);
  nobodyWaitsForNothing(state);
  answersAreTrue(world, before, effects);
  hooksEnd(world);
  const live = state.generations.filter(({ stage }) =>
    ['starting', 'ready', 'serving', 'standby'].includes(stage.name),
  );
  assert.ok(live.length <= 2, 'at most an incumbent and a candidate');
  if (world.steps % 16 === 0) {
    assert.deepEqual(JSON.parse(JSON.stringify(state)), state, 'the state is plain data');
    world.network.balance();
  }
}

/** A listening address never refuses: from the first bind until stop begins somebody holds the sockets. */
function listenersStayOpen(world: World, effects: readonly Effect[]): void {
  if (world.state.stop || world.exit) return;
  const released = effects.some(({ type }) => type === 'release');
  // A service that never ran, or whose restart policy has ended, is followed by the supervisor's exit or by the next handover.
  const over = world.state.incumbent === null || world.state.handover !== null;
  if (released && !over) assert.ok(world.holding.size > 0, 'the last holder of the listeners let go');
}

/** Promoted: every worker is up and passed every gate, also in the world's own books. */
function onlyReadyIsPromoted(world: World, effects: readonly Effect[]): void {
  for (const effect of effects) {
    if (effect.type !== 'promoted') continue;
    const generation = generationOf(world.state, effect.generation);
    assert.ok(generation);
    for (const worker of ownWorkers(generation))
      passedItsGates(world, effect.generation, worker.index, worker.incarnation);
  }
}

function passedItsGates(world: World, generation: number, worker: number, incarnation: number): void {
  const settings = world.settings.get(generation);
  const process = world.find({ generation, worker, incarnation });
  assert.ok(settings && process, 'a worker that is promoted or previewed has a process');
  for (const gate of settings.gates) assert.ok(process.passed.has(gate), `promoted before the gate ${gate}`);
  assert.ok(world.clock - process.since >= settings.reloadUptime, 'promoted before reload_uptime');
}

/** A failed candidate leaves the incumbent exactly as it was. */
function failedCandidateLeavesIncumbent(before: State, after: State, effects: readonly Effect[]): void {
  const failed = effects.some(
    (effect) =>
      effect.type === 'report' &&
      effect.fact.event === 'handover_finished' &&
      effect.fact.outcome === 'rolled_back',
  );
  if (!failed || after.stop) return;
  const incumbent = before.handover?.incumbent ?? null;
  assert.notEqual(incumbent, null, 'a rollback has something to go back to');
  assert.equal(after.incumbent, incumbent);
  const touched = effects.filter(
    (effect) => (effect.type === 'signal' || effect.type === 'kill') && effect.generation === incumbent,
  );
  assert.equal(touched.length, 0, 'the incumbent was touched by a failure of its candidate');
}

/** What is gone back to is there as it was: none of its workers was told to stop. */
function goesBackOnlyToAllOfIt(world: World, effects: readonly Effect[]): void {
  for (const effect of effects) {
    if (effect.type !== 'report' || effect.fact.event !== 'generation_rolled_back') continue;
    const { incumbent } = effect.fact;
    const told = world.processes.filter(
      ({ generation, relief, signalled }) => generation === incumbent && !relief && signalled,
    );
    assert.equal(told.length, 0, 'went back to a generation that was told to stop');
  }
}

/**
 * A generation that serves is told to stop only when another one has taken over, and, where the kernel steers, not before the handshakes
 * under way have settled, its queue is empty and its connections are done or their time is over.
 */
function toldToStopInTime(world: World, before: State, event: Event, effects: readonly Effect[]): void {
  for (const effect of effects) {
    if (effect.type !== 'signal' || world.state.stop) continue;
    const was = generationOf(before, effect.generation);
    const process = world.find(effect);
    assert.ok(process);
    const others = world.processes.some((one) => one !== process && one.alive && one.lane === process.lane);
    assert.ok(
      others || !steers(world, was) || !world.network.reaches(process.lane),
      'a generation that could not be steered away from was asked to stop',
    );
    const promoted = effects.some(({ type }) => type === 'promoted');
    if (was?.stage.name === 'serving' && !process.relief) {
      assert.ok(promoted, `generation ${effect.generation} was told to stop while it served`);
      assert.ok(!successorSteers(world, effects), 'a steered generation was told to stop before settle');
    }
    // A relief leaves by the time of its own lane, which was steered away earlier.
    if (was?.stage.name !== 'retiring' || process.relief) continue;
    const { settle, drainTimeout, stall } = was.settings.handover;
    const age = world.clock - was.stage.since;
    assert.ok(age >= settle, 'told to stop before settle');
    const over = age >= settle + drainTimeout || process.drainsSince !== null;
    const waited = age >= settle + drainTimeout + stall || process.hung || process.drainsSince !== null;
    assert.ok(
      over || process.open.size === 0 || event.type === 'drain_report',
      'told to stop with open connections before drain_timeout',
    );
    assert.ok(
      waited || world.network.queue(process.lane).length === 0 || event.type === 'drain_report',
      'told to stop with a queue',
    );
  }
}

/** Who said that it drains by itself is told to stop as soon as the handshakes under way have settled. */
function nobodyWaitsForWhoDrains(world: World): void {
  for (const { id, stage, settings } of world.state.generations) {
    if (stage.name !== 'retiring') continue;
    const settled = (lane: number) =>
      world.clock >= Math.max(stage.since, world.network.awaySince(lane)) + settings.handover.settle;
    const waiting = world.processes.find(
      (process) =>
        process.generation === id &&
        settled(process.lane) &&
        !world.wasRefused(process) &&
        process.alive &&
        process.drainsSince !== null &&
        !process.relief &&
        !process.asked,
    );
    assert.equal(waiting?.pid, undefined, `generation ${id} drains by itself and was waited for`);
  }
}

/** Where one of the two shares its sockets, the other accepts what comes. */
function steers({ state }: World, generation: Generation | undefined): boolean {
  const serving = generationOf(state, state.incumbent);
  return generation?.settings.handover.steered === true && serving?.settings.handover.steered !== false;
}

function successorSteers(world: World, effects: readonly Effect[]): boolean {
  const promoted = effects.find((effect) => effect.type === 'promoted');
  return promoted?.type === 'promoted' && world.settings.get(promoted.generation)?.handover.steered === true;
}

function oneHandoverAtATime(before: State, state: State, effects: readonly Effect[]): void {
  const begun = effects.filter(({ type }) => type === 'resolve');
  assert.ok(begun.length <= 1, 'one handover at a time');
  if (begun[0]?.type === 'resolve') assert.equal(state.handover?.id, begun[0].handover);
  if (before.handover && state.handover && before.handover.id !== state.handover.id) {
    assert.ok(
      effects.some((effect) => effect.type === 'report' && effect.fact.event === 'handover_finished'),
      'a handover ended without a verdict',
    );
  }
}

/** Every answer is true when it is given, and that of a promotion stays so: what was said to serve is never rolled back. */
function answersAreTrue(world: World, before: State, effects: readonly Effect[]): void {
  const { state } = world;
  for (const effect of effects) {
    if (effect.type === 'report' && effect.fact.event === 'generation_rolled_back') {
      const { generation } = effect.fact;
      const promised = [...world.verdicts.values()].some(
        (verdict) => verdict.outcome === 'promoted' && verdict.generation === generation,
      );
      assert.ok(!promised, 'a promotion that was reported as final was rolled back');
    }
    if (effect.type !== 'verdict' || state.stop || state.exit) continue;
    const { outcome, handover, generation, incumbent } = effect.verdict;
    if (outcome === 'promoted')
      assert.equal(state.handover?.id === handover, false, 'promoted, but in progress');
    if (outcome === 'rolled_back') assert.notEqual(state.incumbent, generation, 'rolled back, but it serves');
    if (outcome === 'timed_out' || outcome === 'aborted')
      assert.notEqual(state.handover?.id ?? null, handover ?? -1, `${outcome}, but in progress`);
    if (outcome === 'in_progress') {
      const owes = ['serving', 'retiring'].includes(generationOf(state, generation)?.stage.name ?? '');
      const proceeds = state.handover !== null || state.pending !== null || owes;
      assert.ok(proceeds, 'in progress, but nothing is');
    }
    const serving = [null, before.incumbent, state.incumbent];
    assert.ok(serving.includes(incumbent), 'it does not serve');
  }
}

/** Where nothing serves, a new request does not wait for a start that may take its whole time: it takes its place. */
function nobodyWaitsForNothing(state: State): void {
  const starting = state.handover?.step.name === 'starting' && state.handover.incumbent === null;
  assert.ok(!(starting && state.pending), 'a request waits behind a start that nothing serves beside');
}

/** A hook that takes too long is killed in time, and one that even SIGKILL does not end holds nobody up. */
function hooksEnd(world: World): void {
  for (const [hook, { since, timeout, killed }] of world.hooks) {
    const age = world.clock - since;
    assert.ok(killed || age <= timeout, `hook ${hook} runs for ${age} ms and may take ${timeout}`);
    const waited = world.state.hooks.some(({ run }) => run.hook === hook);
    assert.ok(!waited || age <= timeout + KILL_TIME, `hook ${hook} is still waited for`);
  }
}

/** While an incumbent serves and the listener is steered, only a generation that passed its gates gets public connections. */
function publicConnectionsGoToWhoMayHaveThem(world: World): void {
  const { state } = world;
  const { steering, half } = world.network;
  // A change that the kernel refused leaves the one before it, until it is attempted again.
  if (!steering || half.length > 0 || state.stop || state.generations.length === 0) return;
  const incumbent = generationOf(state, state.incumbent);
  if (!incumbent) return;
  const candidate = generationOf(state, candidateOf(state.handover));
  const promoting = state.handover?.step.name === 'promoting';
  const allowed = new Set(
    [...ownWorkers(incumbent), ...(promoting ? ownWorkers(candidate) : [])].map(({ lane }) => lane),
  );
  for (const lane of steering.main)
    assert.ok(allowed.has(lane), `lane ${lane} is steered to and is not the incumbent's`);
  for (const share of [steering.canary?.lanes ?? [], steering.preview ?? []]) {
    for (const lane of share) {
      const worker = candidate && ownWorkers(candidate).find((one) => one.lane === lane);
      assert.ok(candidate && worker, `lane ${lane} has a share and is not the candidate's`);
      assert.equal(candidate.stage.name, 'ready', `lane ${lane} has a share and is not ready`);
      passedItsGates(world, candidate.id, worker.index, worker.incarnation);
    }
  }
  const shares = state.handover?.step.name === 'canary' ? state.handover.step.index : null;
  assert.equal(steering.canary !== null, shares !== null, 'a canary has its share, and nothing else has one');
}

/** What failed in a canary gets nothing more from the same step on. */
function failedCanaryIsUnsteered(world: World, event: Event): void {
  if (event.type !== 'exited' && event.type !== 'stalled') return;
  const process = world.find(event);
  const steering: Steering | null = world.network.steering;
  if (!process || process.relief || !steering || world.network.half.length > 0) return;
  const shares = [...(steering.canary?.lanes ?? []), ...(steering.preview ?? [])];
  const others = world.processes.some(
    (one) => one !== process && one.alive && one.lane === process.lane && !one.hung,
  );
  assert.ok(
    others || !shares.includes(process.lane),
    `lane ${process.lane} of a failed canary is still steered to`,
  );
}

/** No lane with a queue is left without a process that accepts from it, or one that is about to be. */
function noQueueWithoutSomebody(world: World): void {
  const { state, network } = world;
  const incumbent = generationOf(state, state.incumbent);
  // A first start that failed ends the supervisor.
  if (state.stop || world.exit || !incumbent || incumbent.stage.name === 'stopping') return;
  // Where the restart policy has ended the service, what waits is for the next one, if one comes.
  if (ownWorkers(incumbent).every(({ life }) => life.name === 'ended')) return;
  for (const lane of network.lanes()) {
    if (network.queue(lane).length === 0) continue;
    const alive = world.processes.some((process) => process.lane === lane && process.alive);
    const coming = state.generations.some(({ workers }) =>
      workers.some((worker) => worker.lane === lane && ['spawning', 'backoff'].includes(worker.life.name)),
    );
    const watched = network.attended.has(lane) || world.attendRefused;
    assert.ok(alive || coming || watched, `lane ${lane} has a queue and nobody`);
  }
}

/** A lane is used again only when nothing can come into it any more and nothing waits in it. */
function lanesAreUsedAgainInTime(world: World, before: State, effects: readonly Effect[]): void {
  // Where nobody is left, what comes has gone to these all the time, and waits for whoever is started there.
  const orphaned = before.incumbent === null ? (before.demands.steering?.main ?? []) : [];
  for (const effect of effects) {
    if (effect.type !== 'spawn' || effect.relief || effect.incarnation !== 1) continue;
    if (orphaned.includes(effect.lane)) continue;
    const settings = world.settings.get(effect.generation);
    if (!settings?.handover.steered) continue;
    assert.equal(
      world.network.queue(effect.lane).length,
      0,
      `lane ${effect.lane} is used again with a queue`,
    );
    assert.equal(
      world.network.coming(effect.lane),
      0,
      `lane ${effect.lane} is used again with handshakes under way`,
    );
  }
}

/** A request that waits is carried out or answered, whatever becomes of the handover before it. */
function pendingRequestsAreKept(before: State, event: Event, after: State, effects: readonly Effect[]): void {
  for (const { ticket } of before.pending?.callers ?? []) {
    if (ticket === null || event.type === 'stop') continue;
    const waits = [after.pending, after.handover?.request].some((request) =>
      request?.callers.some((caller) => caller.ticket === ticket),
    );
    const answered = effects.some((effect) => effect.type === 'verdict' && effect.tickets.includes(ticket));
    assert.ok(waits || answered, 'a pending reload was lost');
  }
}

/**
 * When nothing has happened for a long time and a sound service serves, everything that the kernel accepted has been served, and every lane
 * that no worker has can be used again.
 */
export function checkQuiet(world: World): void {
  const serving = world.serving();
  const behaviour = serving === null ? undefined : world.behaviours.get(serving);
  if (world.exit || world.state.stop || world.state.handover || !behaviour || !isSound(behaviour)) return;
  for (const lane of world.network.lanes()) {
    assert.equal(world.network.queue(lane).length, 0, `connections were left in lane ${lane}`);
  }
  const { generations, lanes } = world.state;
  const held = generations.flatMap(({ workers }) => workers.map(({ lane }) => lane));
  for (const [lane, { waiting }] of lanes.entries()) {
    assert.ok(held.includes(lane) || !waiting, `lane ${lane} is empty and will never be used again`);
  }
}

/** What must be true when a history is over: every wait had an end. */
export function checkEnd(world: World): void {
  if (world.exit === null) {
    const endless = world.processes.some(
      (process) =>
        process.alive &&
        process.signalled &&
        (process.behaviour.ignoresSignal || process.hung) &&
        world.settings.get(process.generation)?.shutdownTimeout === 0,
    );
    assert.ok(endless, 'the supervisor never left, and nobody asked it to wait for ever');
    return;
  }
  for (const ticket of world.tickets)
    assert.ok(world.verdicts.has(ticket), `ticket ${ticket} was never answered`);
  const left = world.processes.filter((process) => process.alive && !world.wasRefused(process));
  assert.deepEqual(
    left.map(({ pid }) => pid),
    [],
    'the supervisor left processes behind',
  );
  for (const [hook, { killed }] of world.hooks) assert.ok(killed, `hook ${hook} was left behind`);
  assert.equal(world.holding.size, world.state.generations.length);
}
