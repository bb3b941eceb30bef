import assert from 'node:assert/strict';
import { nextDeadline, step } from '../../../src/lifecycle/step.ts';
import { commandsIn, continuedFrom, hooksIn } from '../../../src/supervisor/recovery/continued.ts';
import { judge } from '../../../src/supervisor/recovery/judge.ts';
import { readState, type SavedState } from '../../../src/supervisor/state-format/read.ts';
import { stateOf } from '../../../src/supervisor/state-format/restore.ts';
import { StateText } from '../../../src/supervisor/state-format/write-text.ts';
import { RECORDED, SUPERVISOR } from '../../unit/supervisor/state-format/support.ts';
import { corpusOf, type Target } from '../target.ts';
import { formatsLike } from './formats.ts';

/** The state file of a dead supervisor. */
export const state: Target = {
  name: 'state',
  corpus: corpusOf('state', formatsLike(/^state-.*\.json$/).map(asWritten)),
  words: [
    '"generation":',
    '"lane":',
    '"handover":',
    '"state":"up"',
    '"stage":',
    '"since_monotonic_ms":',
    '"version":',
  ],
  check(input) {
    const read = readState(input.toString(), RECORDED);
    const { verdict } = judge(read, null, {
      pidNamespace: 1,
      isAlive: () => 'alive',
      keeper: null,
      isUpgrade: false,
      survivors: () => [],
    });
    if ('problem' in read) {
      assert.ok(read.problem.message.length > 0);
      return `${read.problem.kind}: ${verdict}`;
    }
    assertContinues(read.state);
    return verdict;
  },
};

/** A supervisor can continue from this state, and writes the same one again. */
function assertContinues(saved: SavedState): void {
  const restored = stateOf(saved);
  const situation = { state: restored, processes: [], listeners: [], verifyOf: () => undefined };
  const again = readState(new StateText().of(SUPERVISOR, situation), RECORDED);
  if ('problem' in again) assert.fail(`the written state is refused: ${again.problem.message}`);
  // JSON does not support -0.
  assert.equal(JSON.stringify(stateOf(again.state)), JSON.stringify(restored));
  for (const { pid } of [...commandsIn(saved), ...hooksIn(saved).map(({ process }) => process)])
    assert.ok(Number.isSafeInteger(pid) && pid > 0);
  const workers = restored.generations.flatMap(({ id: generation, workers: all }) =>
    all
      .filter(({ life }) => ['spawning', 'up', 'stopping'].includes(life.name))
      .map(({ index: worker, incarnation }) => {
        const exit = { kind: 'unknown' } as const;
        return { generation, worker, incarnation, found: 'gone', exit, leftovers: 0 } as const;
      }),
  );
  const event = continuedFrom(saved, { workers, hooks: [], planned: false });
  const next = step(restored, { ...event, at: restored.now });
  assert.ok(!Number.isNaN(nextDeadline(next.state)));
}

/** The formatter has split the files into several lines. */
function asWritten(file: Buffer): Buffer {
  return Buffer.from(JSON.stringify(JSON.parse(file.toString())));
}
