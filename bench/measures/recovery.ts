import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Scope } from '../../test/support/temporary.ts';
import { startZero, type Zero } from '../../test/support/zero.ts';
import { now, pause } from '../clock.ts';
import type { Figure, Measure, Run } from '../figures.ts';
import { makeProbe, type Probe } from '../first-instruction.ts';
import { contextSwitches, privateDirty } from '../process-state.ts';
import { withScope } from '../scope.ts';
import { supervise } from '../supervised.ts';

const WORKERS = 4;
const RECOVERY_AT_MOST_MS = 300;
const KEEPER_AT_MOST_MB = 0.3;
const REST_MS = 30_000;
/** Number of keepers that rest at the same time. */
const TOGETHER = 5;

export const recovery: Measure = {
  name: 'recovery',
  about: `A supervisor with ${WORKERS} workers on one listener is killed with SIGKILL and started again by hand: the time from the spawn of the second supervisor until it has reported \`supervisor_recovered\`, minus the time of \`node -e 0\` from its spawn to its exit. Then the keeper of a supervisor at rest: its private memory (Private_Dirty), and its context switches in 30 s.`,
  measure: (run) => withScope((scope) => measureRecovery(scope, run)),
};

async function measureRecovery(scope: Scope, run: Run): Promise<Figure[]> {
  const probe = makeProbe(scope);
  const bare: number[] = [];
  const recovered: number[] = [];
  for (let pair = 1; pair <= run.pairs; pair += 1) {
    bare.push(await timeBareNode());
    recovered.push(await timeRecovery(scope, probe));
    run.progress(`${pair} of ${run.pairs}`);
  }
  const keepers = await watchKeepers(scope, probe, Math.min(run.pairs, TOGETHER));
  const memory = keepers.map((keeper) => keeper.memory);
  const switches = keepers.map((keeper) => keeper.switches);
  return [
    {
      name: `recovery of a service with ${WORKERS} workers, beyond bare node`,
      unit: 'ms',
      target: { atMost: RECOVERY_AT_MOST_MS },
      values: recovered.map((time, index) => time - (bare[index] ?? Number.NaN)),
      samples: { recovery_ms: recovered, bare_node_ms: bare },
    },
    {
      name: 'keeper, private dirty memory',
      unit: 'MB',
      target: { atMost: KEEPER_AT_MOST_MB },
      values: memory,
      samples: { keeper_mb: memory },
    },
    {
      name: 'keeper, context switches in 30 s',
      unit: '',
      target: { atMost: 0 },
      values: switches,
      samples: { switches },
    },
  ];
}

async function timeBareNode(): Promise<number> {
  const begin = now();
  await once(spawn(process.execPath, ['-e', '0'], { stdio: 'ignore' }), 'exit');
  return now() - begin;
}

async function timeRecovery(scope: Scope, probe: Probe): Promise<number> {
  const first = await startWithKeeper(scope, probe);
  first.signal('SIGKILL');
  await once(first.process, 'exit');
  const begin = now();
  const second = startZero(scope, { folder: first.folder, args: ['--config', `${first.config}`] });
  await second.fact('supervisor_recovered');
  const time = now() - begin;
  second.signal('SIGQUIT');
  await second.exited;
  return time;
}

async function startWithKeeper(scope: Scope, probe: Probe): Promise<Zero> {
  const zero = await supervise(scope, { ...probe, workers: WORKERS, level: 'debug' });
  await zero.fact('keeper_started');
  return zero;
}

/** The resource usage of each keeper at rest. */
async function watchKeepers(
  scope: Scope,
  probe: Probe,
  count: number,
): Promise<{ memory: number; switches: number }[]> {
  const starts = Array.from({ length: count }, () => startWithKeeper(scope, probe));
  const supervisors = await Promise.all(starts);
  await pause(1_000);
  const pids = supervisors.map(({ log }) => log.all('keeper_started').at(-1)?.pid ?? 0);
  const before = pids.map(contextSwitches);
  await pause(REST_MS);
  return pids.map((pid, index) => ({
    memory: privateDirty(pid),
    switches: contextSwitches(pid) - (before[index] ?? 0),
  }));
}
