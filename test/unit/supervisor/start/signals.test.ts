import assert from 'node:assert/strict';
import inspector from 'node:inspector';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type SignalSettings, Signals } from '../../../../src/supervisor/start/signals.ts';
import type { Hangup } from '../../../../src/supervisor/start/terminal.ts';

const SETTINGS: SignalSettings = { reload: 'SIGHUP', forward: [] };

/** Signals of this process, with a terminal that reports `cause` for each SIGHUP. */
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

test('a SIGHUP from a process is a reload', (t) => {
  const { signals, calls, send } = listen(t);
  signals.configure(SETTINGS);
  send();
  send();
  assert.deepEqual(calls, ['reload SIGHUP', 'reload SIGHUP']);
});

test('a closed terminal causes one stop, although the shell and the kernel each send a SIGHUP', (t) => {
  const { signals, terminal, calls, send } = listen(t);
  signals.configure({ reload: 'SIGHUP', forward: ['SIGHUP'] });
  terminal.cause = 'closed';
  send();
  send();
  assert.deepEqual(calls, ['stop SIGHUP (terminal closed)']);
});

test('a closed terminal causes a stop even if another signal reloads', (t) => {
  const { signals, terminal, calls, send } = listen(t);
  signals.configure({ reload: 'SIGUSR2', forward: [] });
  send();
  assert.deepEqual(calls, []);
  terminal.cause = 'closed';
  send();
  assert.deepEqual(calls, ['stop SIGHUP (terminal closed)']);
});

test('a closed terminal is ignored if zero does not use it, and a later SIGHUP is a reload', (t) => {
  const { signals, terminal, calls, send } = listen(t);
  signals.configure(SETTINGS);
  terminal.cause = 'closed, unused';
  send();
  assert.deepEqual(calls, []);
  terminal.cause = 'sent';
  send();
  assert.deepEqual(calls, ['reload SIGHUP']);
});

test('signals before the config is read are handled after it', (t) => {
  const { signals, terminal, calls, send } = listen(t);
  send();
  terminal.cause = 'closed';
  send();
  assert.deepEqual(calls, []);
  terminal.cause = 'sent';
  signals.configure(SETTINGS);
  assert.deepEqual(calls, ['reload SIGHUP', 'stop SIGHUP (terminal closed)']);
});

test('the inspector that a SIGUSR1 during the start of Node opened is closed', async (t) => {
  inspector.open(0);
  t.after(() => inspector.close());
  assert.notEqual(inspector.url(), undefined);
  listen(t);
  await nextTurn();
  assert.equal(inspector.url(), undefined);
});

test('an inspector that an option of Node asked for stays open', async (t) => {
  const { NODE_OPTIONS } = process.env;
  t.after(() => {
    if (NODE_OPTIONS === undefined) delete process.env.NODE_OPTIONS;
    else process.env.NODE_OPTIONS = NODE_OPTIONS;
    inspector.close();
  });
  process.env.NODE_OPTIONS = `${NODE_OPTIONS ?? ''} --inspect=0`;
  inspector.open(0);
  listen(t);
  await nextTurn();
  assert.notEqual(inspector.url(), undefined);
});
