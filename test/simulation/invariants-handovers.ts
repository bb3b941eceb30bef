import assert from 'node:assert/strict';
import { openHandovers } from '../../src/lifecycle/requests.ts';
import type { Step } from './books.ts';
import type { World } from './world.ts';

/**
 * Every request has a number from its start, and every number gets exactly one final verdict, which is that of its
 * callers.
 */
export function handoversAreConcluded({ state, books }: World, { before, effects }: Step): void {
  const open = openHandovers(state);
  assert.equal(new Set(open).size, open.length, `two requests have one number: ${open}`);
  for (const id of open) assert.ok(id < state.nextHandover, `handover ${id} has a number that is still free`);
  const concluded = effects.flatMap((effect) => (effect.type === 'concluded' ? [effect.verdict] : []));
  for (const { handover, outcome } of concluded) {
    assert.ok(
      handover !== null && !open.includes(handover),
      `handover ${handover} is concluded and still open`,
    );
    assert.notEqual(outcome, 'in_progress', `handover ${handover} is concluded as in_progress`);
    assert.equal(books.conclusions.get(handover), 1, `handover ${handover} is concluded twice`);
  }
  const ended = openHandovers(before).filter((id) => !open.includes(id));
  for (const id of ended) assert.ok(books.conclusions.has(id), `handover ${id} ended and was not concluded`);
  for (const effect of effects) {
    if (effect.type !== 'accepted') continue;
    const { ticket, handover } = effect;
    const known = open.includes(handover) || books.conclusions.has(handover);
    assert.ok(known, `ticket ${ticket} was accepted for handover ${handover}, which does not exist`);
  }
  answersAgree(effects, concluded);
}

/** Callers that are answered at the end of a handover all get the same verdict. */
function answersAgree(
  effects: Step['effects'],
  concluded: readonly { readonly handover: number | null; readonly outcome: string }[],
): void {
  for (const effect of effects) {
    if (effect.type !== 'verdict') continue;
    const { handover, outcome } = effect.verdict;
    const last = concluded.find((verdict) => verdict.handover === handover);
    if (!last || outcome === 'in_progress') continue;
    assert.equal(outcome, last.outcome, `handover ${handover} is answered and concluded differently`);
  }
}
