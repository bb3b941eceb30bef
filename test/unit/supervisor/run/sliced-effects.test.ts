import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ListenerError } from '../../../../src/listeners/listener-error.ts';
import type { Happening } from '../../../../src/supervisor/run/engine.ts';
import { SlicedEffects } from '../../../../src/supervisor/run/sliced-effects.ts';

/** Each step takes 5 ms, so each runs in its own turn. */
function slow() {
  const waiting: (() => void)[] = [];
  let time = 0;
  const turns = {
    now: () => {
      time += 5;
      return time;
    },
    defer: (run: () => void) => void waiting.push(run),
  };
  const posted: Happening[] = [];
  const effects = new SlicedEffects(turns, (happening) => void posted.push(happening));
  const turn = () => {
    for (const run of waiting.splice(0)) run();
  };
  return { effects, posted, turn };
}

function steer(change: number) {
  const steering = { main: [change], canary: null, preview: null, previewFrom: [] };
  return { type: 'steer', change, steering } as const;
}

function* steps(done: string[], name: string, failing?: number) {
  for (let step = 1; step <= 3; step += 1) {
    if (step === failing) throw new ListenerError('http', 'no memory');
    done.push(`${name}${step}`);
    yield;
  }
}

function* answered(posted: readonly Happening[]) {
  for (const happening of posted)
    if (happening.type === 'done' || happening.type === 'failed')
      yield `${happening.type} ${'change' in happening.effect ? happening.effect.change : happening.effect.type}`;
}

test('a change is answered when it has reached the last listener', () => {
  const { effects, posted, turn } = slow();
  const done: string[] = [];
  effects.perform(steer(1), steps(done, 'a'));
  assert.deepEqual(done, ['a1']);
  turn();
  turn();
  assert.deepEqual([...answered(posted)], []);
  turn();
  assert.deepEqual(done, ['a1', 'a2', 'a3']);
  assert.deepEqual([...answered(posted)], ['done 1']);
});

test('a newer change begins immediately, and the previous one fails', () => {
  const { effects, posted, turn } = slow();
  const done: string[] = [];
  effects.perform(steer(1), steps(done, 'a'));
  effects.perform(steer(2), steps(done, 'b'));
  assert.deepEqual([...answered(posted)], ['failed 1']);
  for (let turned = 0; turned < 5; turned += 1) turn();
  assert.deepEqual(done, ['a1', 'b1', 'b2', 'b3']);
  assert.deepEqual([...answered(posted)], ['failed 1', 'done 2']);
});

test('another kind of change runs at the same time', () => {
  const { effects, posted, turn } = slow();
  const done: string[] = [];
  effects.perform(steer(1), steps(done, 'a'));
  effects.perform({ type: 'listen_again', generation: 7 }, steps(done, 'b'));
  for (let turned = 0; turned < 5; turned += 1) turn();
  assert.deepEqual(done, ['a1', 'b1', 'a2', 'b2', 'a3', 'b3']);
  assert.deepEqual([...answered(posted)], ['done 1', 'done listen_again']);
});

test('a failed step is the answer, and there is no answer after close', () => {
  const { effects, posted, turn } = slow();
  effects.perform(steer(1), steps([], 'a', 2));
  turn();
  assert.deepEqual([...answered(posted)], ['failed 1']);
  effects.perform(steer(2), steps([], 'b'));
  effects.close();
  for (let turned = 0; turned < 5; turned += 1) turn();
  assert.deepEqual([...answered(posted)], ['failed 1']);
});
