import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ShutdownSignals } from '../../../../src/service/register/shutdown-signals.ts';
import type { Scope } from '../../../support/temporary.ts';

// Signals that this process does not use otherwise.
const [ONE, OTHER] = ['SIGALRM', 'SIGWINCH'] as const;

/** Holds both signals. Events are recorded in order. `finish` ends the hold. */
function hold(t: Scope, ...handlers: NodeJS.Signals[]) {
  const events: string[] = [];
  const { emit } = process;
  const handler = (signal: NodeJS.Signals) => void events.push(`handler ${signal}`);
  t.after(() => {
    process.emit = emit;
    for (const signal of [ONE, OTHER]) process.removeAllListeners(signal);
  });
  const signals = new ShutdownSignals([ONE, OTHER, 'SIGKILL']);
  for (const signal of handlers) process.on(signal, handler);
  let finish = () => {};
  let began = () => {};
  const held = new Promise<void>((resolve) => {
    began = resolve;
  });
  signals.hold({
    finish(signal, programStops) {
      events.push(`finish ${signal} ${programStops}`);
      began();
      return new Promise((resolve) => {
        finish = resolve;
      });
    },
    onHandler: () => void events.push('added'),
  });
  return { events, signals, handler, held, finish: () => finish() };
}

const send = (signal: NodeJS.Signals): boolean => (process as NodeJS.EventEmitter).emit(signal, signal, 0);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('held signals', () => {
  it('reach the handlers of the program once the connections are done, each once', async (t) => {
    const { events, signals, finish } = hold(t, ONE, OTHER);
    assert.equal(signals.programStops, true);
    for (const signal of [ONE, ONE, OTHER]) send(signal);
    await turn();
    assert.deepEqual(events, [`finish ${ONE} true`]);
    finish();
    await turn();
    assert.deepEqual(events.slice(1), [`handler ${ONE}`, `handler ${OTHER}`]);
    // From then on signals are delivered unchanged, only to the handlers of the program.
    send(ONE);
    assert.equal(events.at(-1), `handler ${ONE}`);
    assert.equal(process.listenerCount(ONE), 1);
  });

  it('reach handlers that were added before the class was created', async (t) => {
    const early: string[] = [];
    process.once(ONE, (signal) => void early.push(signal));
    const { finish, held } = hold(t);
    // A handler for a signal does not keep a process alive.
    const alive = setTimeout(() => undefined, 60_000);
    process.kill(process.pid, ONE);
    await held;
    clearTimeout(alive);
    assert.deepEqual(early, []);
    finish();
    await turn();
    assert.deepEqual(early, [ONE]);
  });

  it('report a handler that is added later', (t) => {
    const { events, signals, handler } = hold(t);
    assert.equal(signals.programStops, false);
    process.on('SIGUSR1', handler);
    process.off('SIGUSR1', handler);
    assert.deepEqual(events, []);
    process.on(OTHER, handler);
    assert.deepEqual(events, ['added']);
    assert.equal(signals.programStops, true);
  });
});
