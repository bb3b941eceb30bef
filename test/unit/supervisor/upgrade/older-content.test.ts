import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { VaultContent } from '../../../../src/supervisor/keeper/vault.ts';
import { DOWNGRADES, NEWEST } from '../../../../src/supervisor/state-format/formats.ts';
import { contentFor, readsOlder } from '../../../../src/supervisor/upgrade/older-content.ts';

function content(state: object, configs: object): VaultContent {
  const generations = Buffer.from(JSON.stringify(configs));
  return { state: { text: JSON.stringify(state), sequence: 7 }, generations };
}

function documentsIn({ state, generations }: VaultContent): readonly unknown[] {
  return [state, generations].map((record) =>
    JSON.parse(record && 'text' in record ? record.text : `${record}`),
  );
}

/** Each step adds its mark. */
const step = (version: number) => (document: object) => ({
  ...document,
  version,
  [`from${version + 1}`]: true,
});
const STEPS = { state: { 4: step(3), 3: step(2) }, configs: { 2: step(1) } };

test('each document is written in the version that the other zero reads, one version at a time', () => {
  const written = contentFor(content({ version: 4 }, { version: 2 }), { state: 2, configs: 1 }, STEPS);
  assert.deepEqual(documentsIn(written), [
    { version: 2, from4: true, from3: true },
    { version: 1, from2: true },
  ]);
  assert.equal(written.state?.sequence, 7);
});

test('a document is unchanged for a zero that reads its version or a later one', () => {
  const newest = content({ version: NEWEST.state }, { version: NEWEST.configs });
  assert.deepEqual(contentFor(newest, { state: NEWEST.state, configs: NEWEST.configs + 1 }), newest);
  const nothing = { state: null, generations: null };
  assert.deepEqual(contentFor(nothing, { state: 1, configs: 1 }), nothing);
});

test('a version that this zero cannot write is refused with the solution', () => {
  const state = content({ version: 4 }, { version: 1 });
  assert.throws(() => contentFor(state, { state: 1, configs: 1 }, STEPS), {
    message:
      'the new zero needs version 1 of the state, which the running zero cannot write. Install a release that reads version 4, or stop the service and start it with the new zero',
  });
  const configs = content({ version: 2 }, { version: 9 });
  assert.throws(() => contentFor(configs, { state: 2, configs: 8 }, STEPS), /version 8 of the configs/);
  const refuses = () => {
    throw new Error('generation 3 has a new stage');
  };
  assert.throws(
    () => contentFor(state, { state: 3, configs: 1 }, { ...STEPS, state: { 4: refuses } }),
    /cannot write: generation 3 has a new stage\. Install/,
  );
});

test('this release writes its own versions only', () => {
  assert.deepEqual(DOWNGRADES, { state: {}, configs: {} });
  assert.equal(readsOlder(NEWEST), false);
  assert.equal(readsOlder({ ...NEWEST, state: NEWEST.state - 1 }), true);
  assert.equal(readsOlder({ ...NEWEST, configs: NEWEST.configs - 1 }), true);
});
