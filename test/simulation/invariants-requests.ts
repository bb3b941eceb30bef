import assert from 'node:assert/strict';
import type { Effect } from '../../src/lifecycle/effects.ts';
import type { Event } from '../../src/lifecycle/events.ts';
import { generationOf, type State } from '../../src/lifecycle/state.ts';
import type { World } from './world.ts';

export function oneHandoverAtATime(before: State, state: State, effects: readonly Effect[]): void {
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
export function answersAreTrue(world: World, before: State, effects: readonly Effect[]): void {
  const { state } = world;
  for (const effect of effects) {
    if (effect.type === 'report' && effect.fact.event === 'generation_rolled_back') {
      const { generation } = effect.fact;
      const promised = [...world.books.verdicts.values()].some(
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
export function nobodyWaitsForNothing(state: State): void {
  const starting = state.handover?.step.name === 'starting' && state.handover.incumbent === null;
  assert.ok(!(starting && state.pending), 'a request waits behind a start that nothing serves beside');
}

/** A request that waits is carried out or answered, whatever becomes of the handover before it. */
export function pendingRequestsAreKept(
  before: State,
  event: Event,
  after: State,
  effects: readonly Effect[],
): void {
  for (const { ticket } of before.pending?.callers ?? []) {
    if (ticket === null || event.type === 'stop') continue;
    const waits = [after.pending, after.handover?.request].some((request) =>
      request?.callers.some((caller) => caller.ticket === ticket),
    );
    const answered = effects.some((effect) => effect.type === 'verdict' && effect.tickets.includes(ticket));
    assert.ok(waits || answered, 'a pending reload was lost');
  }
}
