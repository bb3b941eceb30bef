import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Handed,
  handedVariable,
  takeHanded,
  withoutHanded,
} from '../../../../src/supervisor/upgrade/handed.ts';

const HANDED: Handed = {
  from: '0.1.0',
  since: 12.5,
  lock: 20,
  fifo: null,
  vault: 23,
  sockets: [21, 22],
  runtimeDirectory: '/run/zero/ä "x"',
};

test('the new program receives its parameters once, and its services do not', () => {
  const variable = handedVariable(HANDED);
  const environment: NodeJS.ProcessEnv = Object.fromEntries([variable.toString().split(/=(.*)/s, 2)]);
  assert.deepEqual(takeHanded(environment), HANDED);
  assert.equal(takeHanded(environment), null);
  const other = Buffer.from('A=1');
  assert.deepEqual(withoutHanded([variable, other]), [other]);
});
