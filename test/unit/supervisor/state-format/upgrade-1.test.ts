import assert from 'node:assert/strict';
import { test } from 'node:test';
import { another, leavesOf, withLeaf } from '../../../support/leaves.ts';
import { sample, stateIn } from './support.ts';

/* Version 1 converted to version 2. The samples `canary` and `soak` record the same situation in both versions. */

for (const name of ['canary', 'soak']) {
  test(`${name}: both versions record the same generations, workers and steps of one situation`, () => {
    const [first, second] = [1, 2].map((version) => {
      const { generations, handover, pending_request, hooks, stop, lanes, listeners } = stateIn(
        sample(`${version}-${name}`),
      );
      return {
        generations: generations.map(({ generation, stage, settings, workers }) => ({
          generation,
          stage: stage.name,
          settings,
          workers: workers.map(({ state, leaving, ...worker }) => ({
            ...worker,
            state: state.name,
            gates: state.name === 'up' && [state.gates_passed, state.gates_waiting],
            leaving: leaving !== null,
          })),
        })),
        step: handover?.step.name,
        wants: [handover?.request, pending_request].map(
          (request) => request && [request.preview, request.rollback],
        ),
        callers: [handover?.request, pending_request].map((request) => request?.callers.length),
        hooks: hooks.map(({ hook, name: hookName, config, timeout_ms }) => ({
          hook,
          hookName,
          config,
          timeout_ms,
        })),
        stopping: stop !== null,
        lanes: lanes.map(({ state }) => state),
        listeners: listeners.map(({ name: listener, config_address, lanes: sockets }) => [
          listener,
          config_address,
          sockets.length,
        ]),
      };
    });
    assert.deepEqual(first, second);
  });
}

test('a worker of a retiring generation is unreachable since `settle` before its first deadline', () => {
  const { generations } = stateIn(sample('1-canary'));
  const [retiring] = generations;
  assert.equal(retiring?.stage.name, 'retiring');
  for (const { leaving } of retiring.workers) {
    const since = leaving?.unreachable_since_monotonic_ms ?? Number.NaN;
    assert.ok(Math.abs(since - retiring.stage.since_monotonic_ms) < 0.001, `${since}`);
  }
});

test('the callers of a request share its deadline', () => {
  const { handover, pending_request } = stateIn(sample('1-canary'));
  const [caller] = handover?.request.callers ?? [];
  assert.equal(caller?.by, 'zero reload');
  assert.equal(caller.id, '1');
  assert.equal(caller.timeout_ms, 7_200_000);
  assert.equal(caller.deadline_monotonic_ms, (handover?.request.since_monotonic_ms ?? 0) + 7_200_000);
  assert.deepEqual(pending_request?.callers, [
    { by: 'zero reload', id: '2', timeout_ms: null, deadline_monotonic_ms: null },
  ]);
});

test('a signal without a ticket is a caller that expects no answer', () => {
  const data = JSON.parse(sample('1-canary'));
  data.state.handover.request.tickets = [];
  const { handover } = stateIn(JSON.stringify(data));
  assert.deepEqual(
    handover?.request.callers.map(({ by, id }) => [by, id]),
    [['zero reload', null]],
  );
});

test('a lane is reached if the steering has it, else away or unused', () => {
  const data = JSON.parse(sample('1-canary'));
  for (const lane of [0, 2, 8]) data.state.lanes[lane].waiting = true;
  const { lanes } = stateIn(JSON.stringify(data));
  const since_monotonic_ms = data.state.lanes[0].awayAt;
  assert.deepEqual(
    [0, 1, 2, 4, 8, 9].map((lane) => lanes[lane]),
    [
      { state: 'away', since_monotonic_ms, connections_waiting: true },
      { state: 'away', since_monotonic_ms, connections_waiting: false },
      { state: 'reached', connections_waiting: true },
      { state: 'reached', connections_waiting: false },
      { state: 'unused', connections_waiting: true },
      { state: 'unused', connections_waiting: false },
    ],
  );
});

test('the verdict of a hook is an owed verdict that waits for the hook', () => {
  const { owed_verdicts } = stateIn(sample('1-hook'));
  const [owed, ...others] = owed_verdicts;
  assert.deepEqual(others, []);
  assert.ok(owed);
  const { duration_ms, ...rest } = owed;
  assert.ok(duration_ms > 0);
  assert.deepEqual(rest, {
    callers: [{ by: 'an unknown caller', id: '1', timeout_ms: null, deadline_monotonic_ms: null }],
    outcome: 'promoted',
    handover: 3,
    generation: 3,
    incumbent: 3,
    failure: null,
    hook_failure: null,
    waits_for_hook: 1,
    waits_for_generation: null,
  });
});

/** Fields that version 2 omits, and those that only an unrecorded deadline depends on. */
const NOT_MAPPED = [
  /^version$/,
  /^state\.(version|exit)$/,
  /^state\.demands\.(attend|drain|stalls|verify|prepare)\b/,
  /\.leave\.(drainAt|stallAt)$/,
  /^state\.hooks\[\]\.run\([a-z_]+\)\.type$/,
];

for (const name of ['canary', 'hook', 'soak', 'stopping']) {
  test(`${name}: every other field of version 1 is in the restored state`, () => {
    const text = sample(`1-${name}`);
    const data: object = JSON.parse(text);
    const before = JSON.stringify(stateIn(text));
    for (const leaf of leavesOf(data)) {
      const { shape, value } = leaf;
      if (value === null || Array.isArray(value) || NOT_MAPPED.some((one) => one.test(shape))) continue;
      // A word of a closed set cannot be changed. The tests above check its mapping.
      if (CLOSED.test(shape) || ['name', 'bootId'].includes(shape)) continue;
      const after = JSON.stringify(stateIn(JSON.stringify(withLeaf(data, leaf, another(value)))));
      assert.notEqual(after, before, `${shape} is not in the state`);
    }
  });
}

const CLOSED = /(\)\.name|\.(policy|canaryBy|by|family|outcome|kind))$/;
