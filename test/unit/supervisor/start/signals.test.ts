import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type SignalSettings, Signals } from '../../../../src/supervisor/start/signals.ts';
import type { Hangup } from '../../../../src/supervisor/start/terminal.ts';

const SETTINGS: SignalSettings = { reload: 'SIGHUP', forward: [] };

/** Signals of this process, with a terminal that says `cause` of each SIGHUP. */
function listen(t: TestContext) {
  const calls: string[] = [];
  const terminal = { cause: 'sent' as Hangup, hangup: () => terminal.cause, close: () => {} };
  const signals = new Signals(
    {
      reload: (signal) => calls.push(`reload ${signal}`),
      stop: (signal, now) => calls.push(`stop ${signal}${now ? ' now' : ''}`),
      reopenLogs: () => calls.push('reopen logs'),
      upgrade: () => {},
      forward: (signal) => calls.push(`forward ${signal}`),
    },
    terminal,
  );
  t.after(() => signals.close());
  const send = (): void => void process.emit('SIGHUP');
  return { signals, terminal, calls, send };
}

test('a SIGHUP that was sent is a reload', (t) => {
  const { signals, calls, send } = listen(t);
  signals.configure(SETTINGS);
  send();
  send();
  assert.deepEqual(calls, ['reload SIGHUP', 'reload SIGHUP']);
});

test('of a terminal that was closed, the shell and the kernel send one each: that is one stop', (t) => {
  const { signals, terminal, calls, send } = listen(t);
  signals.configure({ reload: 'SIGHUP', forward: ['SIGHUP'] });
  terminal.cause = 'closed';
  send();
  send();
  assert.deepEqual(calls, ['stop SIGHUP (terminal closed)']);
});

test('of a terminal that was closed it is a stop also where another signal reloads', (t) => {
  const { signals, terminal, calls, send } = listen(t);
  signals.configure({ reload: 'SIGUSR2', forward: [] });
  send();
  assert.deepEqual(calls, []);
  terminal.cause = 'closed';
  send();
  assert.deepEqual(calls, ['stop SIGHUP (terminal closed)']);
});

test('where zero does not use the terminal it is nothing, and a later one is a reload', (t) => {
  const { signals, terminal, calls, send } = listen(t);
  signals.configure(SETTINGS);
  terminal.cause = 'closed, unused';
  send();
  assert.deepEqual(calls, []);
  terminal.cause = 'sent';
  send();
  assert.deepEqual(calls, ['reload SIGHUP']);
});

test('what arrives before the config is read is acted on after it', (t) => {
  const { signals, terminal, calls, send } = listen(t);
  send();
  terminal.cause = 'closed';
  send();
  assert.deepEqual(calls, []);
  terminal.cause = 'sent';
  signals.configure(SETTINGS);
  assert.deepEqual(calls, ['reload SIGHUP', 'stop SIGHUP (terminal closed)']);
});
