import assert from 'node:assert/strict';
import { test } from 'node:test';
import { handshakeTime, synAckRetries } from '../../../src/linux/handshake.ts';

test('a handshake may take as long as the kernel repeats its answer, plus two seconds', () => {
  assert.equal(handshakeTime(0, 0), 3_000);
  assert.equal(handshakeTime(5, 0), (1 + 2 + 4 + 8 + 16 + 32 + 2) * 1_000);
  // Pauses are limited to two minutes.
  assert.equal(handshakeTime(9, 0), (1 + 2 + 4 + 8 + 16 + 32 + 64 + 3 * 120 + 2) * 1_000);
});

test('defer_accept extends it until a connection is delivered without data', () => {
  assert.equal(handshakeTime(5, 30), 65_000);
  assert.ok(handshakeTime(5, 300) >= 302_000);
  assert.ok(handshakeTime(5, 3_600) >= 3_602_000);
});

test('the setting of this machine is read', () => {
  assert.ok(Number.isInteger(synAckRetries()) && synAckRetries() >= 0);
});
