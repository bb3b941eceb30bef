import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { factDocument } from '../../../src/facts/documents.ts';
import { exitDocument } from '../../../src/facts/parts.ts';
import type { FactName } from '../../../src/lifecycle/facts.ts';
import { ROOT } from '../../support/paths.ts';
import { facts } from '../telemetry/facts.ts';

/** One document of each event, as in version 1 of the protocol. */
const recorded: Readonly<Record<string, object>> = JSON.parse(
  readFileSync(join(ROOT, 'test/fixtures/formats/events-1.json'), 'utf8'),
);

for (const name of Object.keys(facts) as FactName[]) {
  test(`${name} has the promised document`, () => {
    assert.deepEqual(factDocument(facts[name]), recorded[name], 'add a new event to the recorded documents');
  });
}

test('every promised event still exists', () => {
  assert.deepEqual(
    Object.keys(recorded).filter((name) => !(name in facts)),
    [],
  );
});

test('a duration has three decimals', () => {
  const { after_ms } = factDocument({ event: 'worker_ready', generation: 3, worker: 1, after: 12.34567 });
  assert.equal(after_ms, 12.346);
});

test('an exit has one document for each kind', () => {
  assert.deepEqual(exitDocument({ kind: 'exited', code: 7 }), { kind: 'exited', code: 7 });
  assert.deepEqual(exitDocument({ kind: 'signaled', signal: 'SIGSEGV', coreDumped: true }), {
    kind: 'signaled',
    signal: 'SIGSEGV',
    core_dumped: true,
  });
  assert.deepEqual(exitDocument({ kind: 'unknown' }), { kind: 'unknown' });
});

test('no field of a fact is published unless the schema lists it', () => {
  const fact = { ...facts.handover_finished, secret: 'x' };
  const failure = { step: 'exit', reason: 'x', secret: 'x', exit: { kind: 'unknown', secret: 'x' } as const };
  assert.ok(!JSON.stringify(factDocument({ ...fact, failure })).includes('secret'));
});
