import assert from 'node:assert/strict';
import { test } from 'node:test';
import { initialState, type State } from '../../src/lifecycle/state.ts';
import { step } from '../../src/lifecycle/step.ts';
import { readState } from '../../src/supervisor/state-format/read.ts';
import { stateOf } from '../../src/supervisor/state-format/restore.ts';
import type { Situation } from '../../src/supervisor/state-format/write.ts';
import { StateText } from '../../src/supervisor/state-format/write-text.ts';
import { another, leavesOf, withLeaf } from '../support/leaves.ts';
import { simulate } from './history.ts';

/** `npm test` sets the number of other histories, and has time for more here, too. */
const HISTORIES = process.env.HISTORIES === undefined ? 30 : 60;

const SUPERVISOR = {
  version: '0.1.0',
  instance: 'example',
  configFile: '/etc/example/zero.yaml',
  bootId: 'boot',
  pid: 10,
  startTime: 1000,
  restarts: 0,
  upgrades: 0,
  firstStarted: 5,
};

function textOf(state: State, writer: StateText = new StateText()): string {
  const situation: Situation = { state, processes: [], listeners: [], verifyOf: () => undefined };
  return writer.of(SUPERVISOR, situation);
}

/**
 * Fields that are not in the document. A recovering supervisor retires joining workers, and counts its sets of sockets
 * again. Demands follow from the rest of the state, and are sent again by a recovering supervisor. The output of
 * workers and the stack of an exception are in the log. `down` is determined at the delivery of the verdict. A state
 * with `exit` is not written.
 */
const LEFT_OUT = [
  /^demands\.(attend|drain|stalls|memory|liveness|verify|prepare|keeper)\b/,
  /^retries\.(attend|drain|stalls|memory|liveness|verify|prepare|keeper)\b/,
  /^sockets\b/,
  /^(join|scales|unheard)\b/,
  /\.(output(\[\])?|stack)$/,
  /^owed\[\]\.verdict\.down\b/,
  /^(hooks|notifications)\[\]\.run\([a-z_]+\)\.type$/,
  /^exit\b/,
];

/** The part of a state that is in the document: omitted fields are as in a new state. */
function withoutLeftOut(state: State): State {
  const plain: State = JSON.parse(
    JSON.stringify(state, (key, value) => (key === 'output' || key === 'stack' ? undefined : value)),
  );
  const { demands, join, scales, unheard, sockets } = initialState(0);
  const { steering } = plain.retries;
  return {
    ...plain,
    demands: { ...demands, steering: plain.demands.steering },
    retries: steering ? { steering } : {},
    join,
    scales,
    unheard,
    sockets,
    owed: plain.owed.map((owed) => ({ ...owed, verdict: { ...owed.verdict, down: null } })),
  };
}

test('a writer that reuses unchanged text writes every state like a new writer', async () => {
  for (let seed = 1; seed <= HISTORIES; seed += 1) {
    const writer = new StateText();
    const watched: typeof step = (before, event) => {
      const next = step(before, event);
      assert.equal(textOf(next.state, writer), textOf(next.state));
      return next;
    };
    await simulate(seed, { step: watched });
  }
});

/** Every state of random histories with a value that no earlier state had. */
async function* states(): AsyncGenerator<{
  readonly state: State;
  readonly fresh: ReturnType<typeof leavesOf>;
}> {
  const known = new Set<string>();
  for (let seed = 1; seed <= HISTORIES; seed += 1) {
    const seen: State[] = [];
    const watched: typeof step = (before, event) => {
      const next = step(before, event);
      if (next.state.exit === null) seen.push(next.state);
      return next;
    };
    await simulate(seed, { step: watched });
    for (const state of seen) {
      // null has another shape than a value.
      const fresh = leavesOf(state).filter(({ shape, value }) => !known.has(`${shape} ${value === null}`));
      for (const { shape, value } of fresh) known.add(`${shape} ${value === null}`);
      if (fresh.length > 0) yield { state, fresh };
    }
  }
}

test('every state of random histories is read as its written document, without a missing field', async () => {
  const shapes = new Set<string>();
  for await (const { state, fresh } of states()) {
    const text = textOf(state);
    const read = readState(text, { instance: 'example', bootId: 'boot' });
    if ('problem' in read) assert.fail(`${read.problem.message}\n${text}`);
    assert.deepEqual(read.state, JSON.parse(text));
    assert.deepEqual(withoutLeftOut(stateOf(read.state)), withoutLeftOut(state));
    for (const leaf of fresh) {
      shapes.add(leaf.shape);
      if (leaf.value === null || Array.isArray(leaf.value) || LEFT_OUT.some((one) => one.test(leaf.shape)))
        continue;
      const changed = textOf(withLeaf(state, leaf, another(leaf.value)));
      assert.notEqual(changed, text, `${leaf.shape} is not in the document`);
    }
  }
  // Histories without events would pass too.
  const words = [
    'retiring',
    'standby',
    'backoff',
    'canary',
    'soak',
    'preview',
    'before_reload',
    'away',
    'after_rollback',
  ];
  for (const word of words)
    assert.ok(
      [...shapes].some((shape) => shape.includes(`(${word})`)),
      `no state had ${word}`,
    );
  for (const part of ['pending.', 'owed[].', 'stop.', 'retries.steering', 'remains[].', 'relisten.'])
    assert.ok(
      [...shapes].some((shape) => shape.includes(part)),
      `no state had ${part}`,
    );
});
