import assert from 'node:assert/strict';
import test from 'node:test';
import { editDistance, nearMiss } from '../../../src/config/near-miss.ts';

test('the distance counts insertions, deletions, substitutions and swaps', () => {
  assert.equal(editDistance('', ''), 0);
  assert.equal(editDistance('', 'abc'), 3);
  assert.equal(editDistance('listener', 'listeners'), 1);
  assert.equal(editDistance('lisetners', 'listeners'), 1);
  assert.equal(editDistance('kitten', 'sitting'), 3);
});

test('a similar key is suggested', () => {
  const keys = ['listeners', 'runtime', 'options', 'readiness', 'restart', 'reload_signal'];
  assert.equal(nearMiss('lisener', keys), 'listeners');
  assert.equal(nearMiss('reloadSignal', keys), 'reload_signal');
  assert.equal(nearMiss('reload-signal', keys), 'reload_signal');
  assert.equal(nearMiss('ready', keys), undefined);
  assert.equal(nearMiss('option', keys), 'options');
  assert.equal(nearMiss('opt', keys), 'options');
  assert.equal(nearMiss('handover', keys), undefined);
  assert.equal(nearMiss('tcp', ['http']), undefined);
});
