import assert from 'node:assert/strict';
import { test } from 'node:test';
import { factDocument } from '../../../src/control/fact-document.ts';
import type { Fact } from '../../../src/lifecycle/facts.ts';
import { jsonLine } from '../../../src/telemetry/json.ts';

const FACTS: readonly Fact[] = [
  { event: 'worker_ready', generation: 3, worker: 1, after: 12.34567 },
  { event: 'generation_gone', generation: 3, retiredFor: 1000, usage: null },
  { event: 'listener_bound', listener: 'http', address: 'tcp:127.0.0.1:80', fd: 3 },
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
];

for (const fact of FACTS) {
  test(`the same fields as in the log: ${fact.event}`, () => {
    const { time: _, level: __, message: ___, ...logged } = JSON.parse(jsonLine(0, fact));
    assert.deepEqual(JSON.parse(JSON.stringify(factDocument(fact))), logged);
  });
}
