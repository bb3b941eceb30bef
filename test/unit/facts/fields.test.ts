import assert from 'node:assert/strict';
import { test } from 'node:test';
import { factDocument } from '../../../src/facts/fields.ts';
import type { Fact } from '../../../src/lifecycle/facts.ts';

const FACTS: readonly (readonly [Fact, object])[] = [
  [
    { event: 'worker_ready', generation: 3, worker: 1, after: 12.34567 },
    { event: 'worker_ready', generation: 3, worker: 1, after_ms: 12.346 },
  ],
  [
    { event: 'generation_gone', generation: 3, retiredFor: 1000, usage: null },
    { event: 'generation_gone', generation: 3, retired_for_ms: 1000, usage: null },
  ],
  [
    {
      event: 'handover_finished',
      handover: 2,
      outcome: 'rolled_back',
      generation: 3,
      incumbent: 2,
      duration: 17.5,
      failure: {
        step: 'exit',
        reason: 'it exited',
        exit: { kind: 'signaled', signal: 'SIGKILL', coreDumped: false },
        output: ['last words'],
      },
    },
    {
      event: 'handover_finished',
      handover: 2,
      outcome: 'rolled_back',
      generation: 3,
      incumbent: 2,
      duration_ms: 17.5,
      failure: {
        step: 'exit',
        reason: 'it exited',
        exit: { kind: 'signaled', signal: 'SIGKILL', core_dumped: false },
        output: ['last words'],
      },
    },
  ],
];

for (const [fact, document] of FACTS) {
  test(`${fact.event} in snake_case, its durations in milliseconds`, () => {
    assert.deepEqual(factDocument(fact), document);
  });
}
