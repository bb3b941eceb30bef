import assert from 'node:assert/strict';
import test from 'node:test';
import { refuseSocket, refuseUpgrade, type Stage } from '../../../../src/service/upgrader/stage.ts';

const STAGES: readonly [Stage, upgrade: string | undefined, socket: string | undefined][] = [
  [{ is: 'starting' }, 'NOT_READY', undefined],
  [{ is: 'on_probation' }, 'PARENT_ALIVE', undefined],
  [{ is: 'serving' }, undefined, undefined],
  [{ is: 'upgrading' }, 'IN_PROGRESS', 'IN_PROGRESS'],
  [{ is: 'superseded', by: 7 }, 'ALREADY_UPGRADED', 'ALREADY_UPGRADED'],
  [{ is: 'stopped' }, 'STOPPED', 'STOPPED'],
];

for (const [stage, upgrade, socket] of STAGES) {
  test(`a process that is ${stage.is} may do what its stage permits`, () => {
    assert.equal(refuseUpgrade(stage)?.code, upgrade);
    assert.equal(refuseSocket('listen', stage)?.code, socket);
  });
}

test('the process that has taken over is reported', () => {
  assert.match(refuseUpgrade({ is: 'superseded', by: 7 })?.message ?? '', /process 7 has taken over/);
});
