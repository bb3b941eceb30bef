import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Interruption } from '../../../src/cli/interruption.ts';
import { cliFixture } from './fixture.ts';

test('Ctrl-C ends an accepted request at once', (t) => {
  const at = cliFixture(t);
  const interruption = new Interruption(at.context);
  interruption.accepted();
  assert.equal(interruption.signal.aborted, false);
  at.interrupt();
  assert.equal(interruption.signal.aborted, true);
});

test('Ctrl-C before the acceptance ends the request at its acceptance', (t) => {
  const at = cliFixture(t);
  const interruption = new Interruption(at.context);
  at.interrupt();
  assert.equal(interruption.signal.aborted, false);
  interruption.accepted();
  assert.equal(interruption.signal.aborted, true);
});

test('Ctrl-C ends a request that is not accepted within a second', (t) => {
  const at = cliFixture(t);
  const interruption = new Interruption(at.context);
  at.interrupt();
  assert.equal(interruption.signal.aborted, false);
  at.tick();
  assert.equal(interruption.signal.aborted, true);
});

test('Ctrl-C before the request ends it like a later one', (t) => {
  const at = cliFixture(t);
  at.interrupt();
  const interruption = new Interruption(at.context);
  assert.equal(interruption.signal.aborted, false);
  at.tick();
  assert.equal(interruption.signal.aborted, true);
});

test('no timer is left after the request', (t) => {
  const at = cliFixture(t);
  const interruption = new Interruption(at.context);
  at.interrupt();
  interruption.end();
  at.tick();
  assert.equal(interruption.signal.aborted, false);
});
