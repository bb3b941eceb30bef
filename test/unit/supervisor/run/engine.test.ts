import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Effect } from '../../../../src/lifecycle/effects.ts';
import { eventsOf } from '../../../../src/lifecycle/events.ts';
import { initialState } from '../../../../src/lifecycle/state.ts';
import type { step } from '../../../../src/lifecycle/step.ts';
import { Engine, type EngineOptions, type Happening } from '../../../../src/supervisor/run/engine.ts';

const EXITED = { type: 'leftovers_gone', generation: 1, worker: 0, incarnation: 1 } as const;
const CONTINUED: Happening = {
  type: 'continued',
  workers: [],
  hooks: [],
  planned: false,
  unsent: [],
  concluded: [],
  previous: 1,
};

/** An engine whose core only records the events and requests the effects of `effectsOf`. */
function engineThat(effectsOf: (type: string) => readonly Effect[], options: Partial<EngineOptions> = {}) {
  const events: string[] = [];
  const behaviour: typeof step = (state, event) => {
    events.push(
      eventsOf(event)
        .map((one) =>
          one.type === 'gate_passed' && event.type === 'batch' ? `${one.type} ${one.worker}` : one.type,
        )
        .join(', '),
    );
    return { state, effects: [...effectsOf(event.type)] };
  };
  const engine = new Engine({
    now: () => 0,
    timers: { set: () => null, clear: () => {} },
    behaviour,
    firstGeneration: 1,
    firstHandover: 1,
    perform: () => {},
    failed: (_, error) => assert.fail(error instanceof Error ? error : String(error)),
    settled: () => {},
    ...options,
  });
  return { engine, events };
}

test('events during the recovery of a service are handled after `continued`', () => {
  const { engine, events } = engineThat(() => [], { initial: initialState(0, 1, 1) });
  engine.post(EXITED);
  assert.deepEqual(events, []);
  engine.post(CONTINUED);
  engine.post(EXITED);
  assert.deepEqual(events, ['continued', 'leftovers_gone', 'leftovers_gone']);
});

test('events during an adoption are handled after it', () => {
  const { engine, events } = engineThat(() => [], { first: 'adopted' });
  engine.post({ type: 'write_failed', file: 'history', failure: { step: 'a', reason: 'b' } });
  assert.deepEqual(events, []);
  engine.post({ type: 'adopted', pid: 1, since: 0 } as Happening);
  assert.deepEqual(events, ['adopted', 'write_failed']);
});

test('a failed effect is recorded before the next step, even if that step has no effects', () => {
  const signal: Effect = { type: 'release', generation: 1 };
  const named: (readonly Effect[])[] = [];
  const { engine } = engineThat((type) => (type === 'leftovers_gone' ? [signal, signal] : []), {
    before: (_, effects) => named.push(effects),
    perform: (effect) =>
      engine.post({ type: 'failed', effect: effect as typeof signal, failure: { step: 'a', reason: 'b' } }),
  });
  engine.post(EXITED);
  assert.deepEqual(
    named.map(({ length }) => length),
    [2, 1],
  );
});

test('events of one batch are handled in order, and then the state is recorded once', () => {
  const calls: string[] = [];
  const { engine, events } = engineThat(() => [], { settled: () => calls.push('settled') });
  engine.batch(() => {
    engine.post(EXITED);
    engine.batch(() => engine.post(EXITED));
    assert.deepEqual(events, []);
  });
  assert.deepEqual(events, ['leftovers_gone', 'leftovers_gone']);
  assert.deepEqual(calls, ['settled']);
  engine.batch(() => {});
  assert.deepEqual(calls, ['settled']);
});

test('an attempt that fails again is a matter of time, and other events have happened', () => {
  const calls: boolean[] = [];
  const { engine } = engineThat(() => [], { settled: (_, happened) => calls.push(happened) });
  const effect: Effect = { type: 'keep_sockets', version: 1 };
  engine.post({ type: 'tick' });
  engine.post({ type: 'failed', effect, failure: { step: 'keep sockets', reason: 'EMFILE' } });
  engine.post({ type: 'done', effect });
  assert.deepEqual(calls, [false, false, false]);
  engine.post(EXITED);
  assert.deepEqual(calls, [false, false, false, true]);
});

test('events that were posted before a batch throws are handled', () => {
  const { engine, events } = engineThat(() => []);
  const defect = new Error('defect');
  const run = () => {
    engine.post(EXITED);
    throw defect;
  };
  assert.throws(() => engine.batch(run), defect);
  assert.deepEqual(events, ['leftovers_gone']);
});

const ready = (worker: number): Happening => ({
  type: 'gate_passed',
  gate: 'accept',
  generation: 1,
  worker,
  incarnation: 1,
});

test('consecutive events about workers are one step, in their order, and other events are not', () => {
  const { engine, events } = engineThat(() => []);
  engine.batch(() => {
    engine.post(ready(0));
    engine.post(EXITED);
    engine.post(ready(1));
    engine.post(ready(2));
    engine.post({ type: 'lane_empty', lane: 3 });
  });
  assert.deepEqual(events, ['gate_passed', 'leftovers_gone', 'gate_passed 1, gate_passed 2, lane_empty']);
});

test('an event about a worker whose step fails does not take the other events of its batch with it', () => {
  const failures: string[] = [];
  const handled: number[] = [];
  const behaviour: typeof step = (state, event) => {
    if (event.type === 'batch' || (event.type === 'gate_passed' && event.worker === 1))
      throw new Error('defect');
    if (event.type === 'gate_passed') handled.push(event.worker);
    return { state, effects: [] };
  };
  const { engine } = engineThat(() => [], { behaviour, failed: (name) => failures.push(name) });
  engine.batch(() => {
    for (const worker of [0, 1, 2]) engine.post(ready(worker));
  });
  assert.deepEqual(handled, [0, 2]);
  assert.deepEqual(failures, ['step gate_passed']);
});

test('a failed effect that is recorded is not recorded again for events that change nothing', () => {
  const release: Effect = { type: 'release', generation: 1 };
  const done: Happening = { type: 'done', effect: release };
  const named: number[] = [];
  const { engine } = engineThat((type) => (type === 'leftovers_gone' ? [release] : []), {
    before: (_, effects) => named.push(effects.length),
    perform: () => {
      for (let count = 0; count < 3; count += 1) engine.post(done);
      engine.post({ type: 'failed', effect: release, failure: { step: 'a', reason: 'b' } });
    },
  });
  engine.post(EXITED);
  assert.deepEqual(named, [1, 1]);
});
