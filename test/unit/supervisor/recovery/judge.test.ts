import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judge, type RecoveryFacts } from '../../../../src/supervisor/recovery/judge.ts';
import { type ReadState, readState } from '../../../../src/supervisor/state-format/read.ts';
import { RECORDED, sample } from '../state-format/support.ts';

const KEEPER = { pid: 2801, startTime: 418150 };
const TEXT = sample('2-keeper');
const NAMESPACE = 4026531836;

const DEAD: RecoveryFacts = {
  pidNamespace: NAMESPACE,
  isAlive: () => 'gone',
  keeper: null,
  isUpgrade: false,
  survivors: () => [],
};
const ALIVE: RecoveryFacts = { ...DEAD, isAlive: () => 'alive', keeper: KEEPER };

const read = (text: string): ReadState => readState(text, RECORDED);
const good = read(TEXT);
const torn = read(TEXT.slice(0, 300));
const withSequence = (sequence: number) => read(JSON.stringify({ ...JSON.parse(TEXT), sequence }));

function refusal(file: ReadState | null, vault: ReadState | null, facts: RecoveryFacts): string {
  const judgement = judge(file, vault, facts);
  return judgement.verdict === 'refuse' ? judgement.message : assert.fail(judgement.verdict);
}

function recovered(file: ReadState | null, vault: ReadState | null, facts: RecoveryFacts) {
  const judgement = judge(file, vault, facts);
  return judgement.verdict === 'recover' ? judgement : assert.fail(judgement.verdict);
}

function asideBy(file: ReadState | null, vault: ReadState | null, facts: RecoveryFacts) {
  const judgement = judge(file, vault, facts);
  return judgement.verdict === 'start' ? judgement.aside : assert.fail(judgement.verdict);
}

describe('a supervisor that starts', () => {
  it('starts the service without a state', () => {
    assert.equal(asideBy(null, null, DEAD), null);
  });

  it('continues from a state whose processes run', () => {
    const { saved, notes } = recovered(good, null, ALIVE);
    assert.equal(saved.supervisor.pid, 2796);
    assert.deepEqual(notes, []);
  });

  it('continues if only the keeper or only a worker runs', () => {
    recovered(good, null, { ...DEAD, keeper: KEEPER });
    recovered(good, null, { ...DEAD, isAlive: ({ pid }) => (pid === 2931 ? 'alive' : 'gone') });
  });

  it('continues after an upgrade in place even if no process runs at the moment', () => {
    recovered(good, null, { ...DEAD, isUpgrade: true });
  });

  it('uses the newer one of the file and the copy in memory', () => {
    assert.equal(recovered(withSequence(5), withSequence(6), ALIVE).saved.sequence, 6);
    assert.equal(recovered(withSequence(7), withSequence(6), ALIVE).saved.sequence, 7);
    assert.equal(recovered(read(sample('2-hook')), withSequence(1), ALIVE).saved.sequence, 1);
  });

  it('continues from the copy in memory if the file is damaged, and reports that', () => {
    const { notes } = recovered(torn, good, ALIVE);
    assert.equal(notes.length, 1);
    assert.match(JSON.stringify(notes), /incomplete or damaged.*zero continues from the copy in memory/);
  });

  it('reports a pid that belongs to another process now', () => {
    const isAlive: RecoveryFacts['isAlive'] = ({ pid }) => (pid === 2822 ? 'other' : 'alive');
    const { notes } = recovered(good, null, { ...ALIVE, isAlive });
    assert.match(JSON.stringify(notes), /pid 2822 belongs to another process now/);
  });

  it('discards a state whose processes have exited', () => {
    const aside = asideBy(good, null, DEAD);
    assert.deepEqual(aside, { reason: 'none of its processes runs any more', damaged: false });
    const reused = asideBy(good, null, { ...DEAD, isAlive: () => 'other' });
    assert.match(reused?.reason ?? '', /other processes have the pids 2822, 2823/);
  });

  it('discards a state of another boot or another pid namespace', () => {
    const boot = readState(TEXT, { ...RECORDED, bootId: 'another' });
    assert.match(asideBy(boot, null, DEAD)?.reason ?? '', /before the machine was started/);
    assert.match(asideBy(good, null, { ...DEAD, pidNamespace: 1 })?.reason ?? '', /another pid namespace/);
  });

  it('discards a damaged state if nothing runs', () => {
    assert.equal(asideBy(torn, null, DEAD)?.damaged, true);
    assert.equal(asideBy(torn, torn, DEAD)?.damaged, true);
  });

  it('refuses to start if the state is damaged and processes run', () => {
    const message = refusal(torn, torn, { ...DEAD, keeper: KEEPER, survivors: () => [2930, 2931] });
    assert.match(message, /incomplete or damaged.*still run: 2930 2931 2801.*kill 2930 2931 2801/);
    assert.match(refusal(torn, null, { ...DEAD, survivors: () => [7] }), /still run: 7\./);
    assert.match(refusal(null, null, { ...DEAD, keeper: KEEPER }), /does not exist.*2801/);
  });

  it('refuses to continue from a newer version, and from another instance', () => {
    const newer = read(JSON.stringify({ ...JSON.parse(TEXT), version: 99 }));
    assert.match(refusal(newer, null, ALIVE), /version 99.*Use the zero that wrote the file/);
    assert.match(refusal(newer, good, ALIVE), /version 99/);
    const other = readState(TEXT, { ...RECORDED, instance: 'mine' });
    assert.match(refusal(other, null, ALIVE), /belongs to instance example, not to mine/);
  });
});
