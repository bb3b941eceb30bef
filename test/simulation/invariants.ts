import assert from 'node:assert/strict';
import type { Effect } from '../../src/lifecycle/effects.ts';
import type { Event } from '../../src/lifecycle/events.ts';
import { generationOf, type State } from '../../src/lifecycle/state.ts';
import type { World } from './world.ts';

/** What must be true after every step of every history. Each names the promise it stands for. */
export function checkInvariants(world: World, before: State, event: Event, effects: readonly Effect[]): void {
  const { state } = world;
  listenersStayOpen(world, effects);
  onlyReadyIsPromoted(world, effects);
  failedCandidateLeavesIncumbent(before, state, effects);
  servingIsStoppedOnlyFor(world, before, event, effects);
  oneHandoverAtATime(state, effects);
  nobodyWaitsForNothing(state);
  const live = state.generations.filter(({ stage }) => stage.name !== 'stopping');
  assert.ok(live.length <= 2, 'at most an incumbent and a candidate');
  for (const generation of live) {
    const known = generation.id === state.incumbent || handoverCandidate(state) === generation.id;
    assert.ok(known, `generation ${generation.id} runs and is neither incumbent nor candidate`);
  }
  assert.deepEqual(JSON.parse(JSON.stringify(state)), state, 'the state is plain data');
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
    const settings = world.settings.get(effect.generation);
    const generation = generationOf(world.state, effect.generation);
    assert.ok(settings && generation);
    for (const worker of generation.workers) {
      const {
        generation,
        worker: index,
        incarnation,
      } = { ...worker, generation: effect.generation, worker: worker.index };
      const process = world.find({ generation, worker: index, incarnation });
      assert.ok(process, 'a promoted worker has a process');
      for (const gate of settings.gates)
        assert.ok(process.passed.has(gate), `promoted before the gate ${gate}`);
      assert.ok(world.clock - process.since >= settings.reloadUptime, 'promoted before reload_uptime');
    }
  }
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
  assert.deepEqual(touched, []);
}

/** A generation that serves is told to stop only when another one has taken over, or all is to stop. */
function servingIsStoppedOnlyFor(
  world: World,
  before: State,
  event: Event,
  effects: readonly Effect[],
): void {
  for (const effect of effects) {
    if (effect.type !== 'signal') continue;
    const was = generationOf(before, effect.generation);
    if (was?.stage.name !== 'serving') continue;
    const promoted = effects.some(({ type }) => type === 'promoted');
    assert.ok(
      promoted || event.type === 'stop',
      `generation ${effect.generation} was told to stop while it served`,
    );
  }
  if (world.state.stop) return;
  const promotedNow = effects.find((effect) => effect.type === 'promoted');
  if (promotedNow?.type === 'promoted') assert.equal(world.state.incumbent, promotedNow.generation);
}

function oneHandoverAtATime(state: State, effects: readonly Effect[]): void {
  const begun = effects.filter(({ type }) => type === 'resolve');
  assert.ok(begun.length <= 1, 'one handover at a time');
  if (begun[0]?.type === 'resolve') assert.equal(state.handover?.id, begun[0].handover);
}

/** Where nothing serves, a new request does not wait for a start that may take its whole time: it takes its place. */
function nobodyWaitsForNothing(state: State): void {
  const starting = state.handover?.step.name === 'starting' && state.handover.incumbent === null;
  assert.ok(!(starting && state.pending), 'a request waits behind a start that nothing serves beside');
}

function handoverCandidate(state: State): number | null {
  return state.handover?.step.name === 'starting' ? state.handover.step.candidate : null;
}

/** What must be true when a history is over: every wait had an end. */
export function checkEnd(world: World): void {
  if (world.exit === null) {
    const endless = world.processes.some(
      (process) =>
        process.alive &&
        process.signalled &&
        process.behaviour.ignoresSignal &&
        world.settings.get(process.generation)?.shutdownTimeout === 0,
    );
    assert.ok(endless, 'the supervisor never left, and nobody asked it to wait for ever');
    return;
  }
  for (const ticket of world.tickets)
    assert.ok(world.verdicts.has(ticket), `ticket ${ticket} was never answered`);
  const left = world.processes.filter((process) => process.alive);
  assert.deepEqual(
    left.map(({ pid }) => pid),
    [],
    'the supervisor left processes behind',
  );
  assert.equal(world.holding.size, world.state.generations.length);
}
