import assert from 'node:assert/strict';
import type { Effect } from '../../src/lifecycle/effects.ts';
import type { Event } from '../../src/lifecycle/events.ts';
import type { State } from '../../src/lifecycle/state.ts';

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

/** While nothing serves, a new request replaces a start that may take its whole time, instead of waiting for it. */
export function nobodyWaitsForNothing(state: State): void {
  const starting = state.handover?.step.name === 'starting' && state.handover.incumbent === null;
  assert.ok(!(starting && state.pending), 'a request waits behind a start that nothing serves beside');
}

/** A waiting request is carried out or answered, whatever the result of the handover before it. */
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
