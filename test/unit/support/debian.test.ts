import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requireProgram } from '../../support/debian.ts';

const recorder = () => {
  const messages: (string | undefined)[] = [];
  return { messages, skip: (message?: string) => messages.push(message) };
};

test('an installed program is returned with its path', () => {
  const context = recorder();
  assert.match(requireProgram(context, 'sh', 'dash') ?? '', /^\/.*\/sh$/);
  assert.deepEqual(context.messages, []);
});

test('a missing program skips the test with the package to install', () => {
  const context = recorder();
  assert.equal(requireProgram(context, 'no-such-program', 'some-package', false), null);
  assert.deepEqual(context.messages, ['no-such-program is not installed: apt-get install some-package']);
});

test('a missing program is an error with CI=true', () => {
  assert.throws(
    () => requireProgram(recorder(), 'no-such-program', 'some-package', true),
    /apt-get install some-package/,
  );
});
