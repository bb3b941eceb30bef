import assert from 'node:assert/strict';
import { isSame } from '../../src/lifecycle/copy.ts';
import type { Effect } from '../../src/lifecycle/effects.ts';
import { ownWorkers } from '../../src/lifecycle/generation.ts';
import type { Caller } from '../../src/lifecycle/requests.ts';
import { generationOf, type State } from '../../src/lifecycle/state.ts';
import { nameOf, type Step } from './books.ts';
import type { World } from './world.ts';

type Answer = Extract<Effect, { type: 'verdict' }>;

/** Every caller gets exactly one answer in time, and the answer is correct when it is given. */
export function answersAreTrue(world: World, step: Step): void {
  promotionsStay(world, step.effects);
  supersededIsReplaced(step);
  everybodyIsAnsweredInTime(world);
  for (const effect of step.effects) {
    if (effect.type !== 'verdict') continue;
    onlyTheSameIsMerged(world, effect);
    // Callers whose deadline passed while no supervisor ran are answered first.
    if (step.event.type === 'continued') continue;
    // The exit of the supervisor answers every caller, and later events do not.
    if (world.state.stop || world.state.exit) continue;
    outcomeIsTrue(world, step, effect);
    if (effect.verdict.outcome === 'promoted') oldGenerationWasAsked(world, effect);
    if (effect.verdict.outcome === 'timed_out') nobodyElseWaits(world, step, effect);
    if (effect.verdict.outcome === 'superseded' && effect.verdict.failure?.step === 'queue')
      assert.equal(step.event.type, 'reload', 'superseded, but no other request came');
  }
}

/** A generation that was reported as promoted is never rolled back. */
function promotionsStay(world: World, effects: readonly Effect[]): void {
  for (const effect of effects) {
    if (effect.type !== 'report' || effect.fact.event !== 'generation_rolled_back') continue;
    const { generation } = effect.fact;
    const promised = [...world.books.verdicts.values()].some(
      (verdict) => verdict.outcome === 'promoted' && verdict.generation === generation,
    );
    assert.ok(!promised, 'a promotion that was reported as final was rolled back');
  }
}

/** A handover is superseded by the one that begins in the same step, or by the request for it. */
function supersededIsReplaced({ event, effects }: Step): void {
  const isSuperseded = effects.some(
    (effect) =>
      effect.type === 'report' &&
      effect.fact.event === 'handover_finished' &&
      effect.fact.outcome === 'superseded',
  );
  if (!isSuperseded) return;
  const isReplaced = event.type === 'reload' || effects.some(({ type }) => type === 'resolve');
  assert.ok(isReplaced, 'a handover was superseded, and nothing took its place');
}

/** A caller without an answer waits for something, and not beyond its own deadline. */
function everybodyIsAnsweredInTime(world: World): void {
  const { state, books } = world;
  const waiting = new Set(callersIn(state).map(({ ticket }) => ticket));
  for (const [ticket, { deadline }] of books.requests) {
    if (books.verdicts.has(ticket)) continue;
    assert.ok(waiting.has(ticket), `ticket ${ticket} has no answer, and nothing has it`);
    const isOver = deadline !== null && world.clock >= deadline;
    assert.ok(!isOver, `ticket ${ticket} has no answer at its deadline`);
  }
}

function callersIn({ handover, pending, owed }: State): Caller[] {
  return [handover?.request, pending, ...owed].flatMap((one) => one?.callers ?? []);
}

function onlyTheSameIsMerged(world: World, { tickets }: Answer): void {
  const wants = tickets.map((ticket) => world.books.requests.get(ticket)?.wants);
  const [first, ...others] = wants.map((one) => ({ ...one, label: null }));
  for (const other of others) assert.ok(isSame(first, other), 'requests for different things got one answer');
  const labels = new Set(wants.flatMap((one) => one?.label ?? []));
  assert.ok(labels.size <= 1, 'requests for different releases got one answer');
}

function outcomeIsTrue({ state }: World, { before }: Step, { verdict }: Answer): void {
  const { outcome, handover, generation, incumbent } = verdict;
  if (outcome === 'promoted')
    assert.equal(state.handover?.id === handover, false, 'promoted, but in progress');
  if (outcome === 'rolled_back') assert.notEqual(state.incumbent, generation, 'rolled back, but it serves');
  if (outcome === 'timed_out' || outcome === 'aborted')
    assert.notEqual(state.handover?.id ?? null, handover ?? -1, `${outcome}, but in progress`);
  if (outcome === 'in_progress') {
    const owes = ['serving', 'retiring'].includes(generationOf(state, generation)?.stage.name ?? '');
    // The awaited handover may end in the same step after the answer.
    const waited = before.handover !== null && before.pending !== null;
    const proceeds = state.handover !== null || state.pending !== null || owes || waited;
    assert.ok(proceeds, 'in progress, but nothing is');
  }
  const serving = [null, before.incumbent, state.incumbent];
  assert.ok(serving.includes(incumbent), 'it does not serve');
}

/** Until a worker of the old generation was asked to stop, zero could still roll back to it. */
function oldGenerationWasAsked(world: World, { verdict }: Answer): void {
  const { state, books } = world;
  const old = generationOf(state, books.replaced.get(verdict.generation ?? -1) ?? null);
  const promoted = generationOf(state, verdict.generation);
  if (!old || promoted?.stage.name !== 'serving') return;
  const own = ownWorkers(old);
  // A process that is being started for a stopping generation is asked to stop after its start.
  const isStopping = old.stage.name === 'stopping';
  const isLeft = own.some(({ life }) => life.name === 'up' || (life.name === 'spawning' && !isStopping));
  // A hung worker got SIGKILL instead of its shutdown signal.
  const wasAsked = own.some(
    (worker) => worker.life.name === 'stopping' || books.asked.has(nameOf(keyOf(old.id, worker))),
  );
  assert.ok(wasAsked || !isLeft, `answered promoted before generation ${old.id} was asked to stop`);
}

const keyOf = (generation: number, { index, incarnation }: { index: number; incarnation: number }) => ({
  generation,
  worker: index,
  incarnation,
});

/** A handover is cancelled by the deadlines of its callers only after the last of them. */
function nobodyElseWaits({ books }: World, { before, at, effects }: Step, { tickets }: Answer): void {
  for (const ticket of tickets) {
    const deadline = books.requests.get(ticket)?.deadline ?? Number.POSITIVE_INFINITY;
    assert.ok(at >= deadline, `ticket ${ticket} timed out before its deadline`);
  }
  const answered = new Set(effects.flatMap((effect) => (effect.type === 'verdict' ? effect.tickets : [])));
  for (const request of [before.handover?.request, before.pending]) {
    if (!request?.callers.some(({ ticket }) => ticket !== null && tickets.includes(ticket))) continue;
    const others = request.callers.filter(
      ({ ticket, deadline }) => !answered.has(ticket ?? '') && (deadline === null || deadline > at),
    );
    assert.deepEqual(others, [], 'timed out, but another caller still waits for the same');
  }
}
