// The new process is killed at every step of an upgrade. At all times there are at most two processes, one of them not
// ready, and the service keeps responding.
import assert from 'node:assert/strict';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startLoad } from '../support/load.ts';
import {
  becomeReady,
  createUpgraderIn,
  failsWith,
  listenIn,
  type Program,
  serveIn,
  startProgram,
  type Upgradable,
  upgradeIn,
} from '../support/upgradable.ts';

const DEADLINE = { timeout: 120_000 };
const CLIENTS = 4;

interface Step {
  readonly name: string;
  /** Brings the new process to this step, and kills it. */
  reach(program: Program): Promise<Upgradable>;
  /** It may have accepted clients. */
  readonly accepts: boolean;
}

async function withUpgrader(program: Program): Promise<Upgradable> {
  const one = await program.next();
  await createUpgraderIn(one);
  return one;
}

async function listening(program: Program): Promise<Upgradable> {
  const one = await withUpgrader(program);
  await listenIn(one);
  return one;
}

const STEPS: readonly Step[] = [
  { name: 'before it has an upgrader', accepts: false, reach: (program) => program.next() },
  { name: 'before it listens', accepts: false, reach: withUpgrader },
  { name: 'between listen and ready', accepts: true, reach: listening },
  {
    name: 'right after ready',
    accepts: true,
    async reach(program) {
      const one = await listening(program);
      becomeReady(one).catch(() => undefined);
      // Its earlier messages are sent before this answer.
      await one.run(() => null);
      return one;
    },
  },
];

const childrenOf = (pid: number): string =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim();

describe('a new process that is killed', () => {
  it('at any step does not affect the old one', DEADLINE, async (t) => {
    const program = await startProgram(t);
    const first = await program.next();
    await createUpgraderIn(first, { probationMs: 60_000 });
    const address = await serveIn(first);
    const load = startLoad(t, { target: address, clients: CLIENTS });
    await load.whenPhaseHas(50);

    // Before exec: the started shell kills itself before it executes the program.
    const dying = join(program.folder, 'dying');
    writeFileSync(dying, '#!/bin/sh\nkill -KILL $$\nexec node "$@"\n');
    chmodSync(dying, 0o755);
    await assert.rejects(
      upgradeIn(first, { executable: dying }),
      failsWith('CHILD_EXITED', /ended with SIGKILL/),
    );
    assert.equal(childrenOf(first.pid), '');
    for (const { name, reach } of STEPS) {
      load.phase(name);
      const upgraded = upgradeIn(first);
      upgraded.catch(() => undefined);
      const second = await reach(program);
      assert.equal(childrenOf(first.pid), String(second.pid), name);
      await assert.rejects(upgradeIn(first), failsWith('IN_PROGRESS'), name);
      second.kill();
      await assert.rejects(upgraded, failsWith('CHILD_EXITED', /ended with SIGKILL/), name);
      assert.equal(childrenOf(first.pid), '', name);
      load.phase(`after: ${name}`);
      await load.whenPhaseHas(50);
    }
    // The next one survives.
    const upgraded = upgradeIn(first, { probationMs: 0 });
    const last = await listening(program);
    await becomeReady(last);
    assert.equal((await upgraded).pid, last.pid);

    const { phases } = await load.stop();
    const may = new Set(STEPS.filter(({ accepts }) => accepts).map(({ name }) => name));
    for (const { phase, sent, answered, failures } of phases) {
      // Each client had one request in progress, possibly in the killed process.
      const most = may.has(phase) ? CLIENTS : 0;
      assert.ok(sent - answered <= most, `${phase}: ${JSON.stringify(failures)}`);
    }
  });
});
