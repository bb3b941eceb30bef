import { spawn } from 'node:child_process';
import type { Scope } from '../../test/support/temporary.ts';
import type { Zero } from '../../test/support/zero.ts';
import { now, pause } from '../clock.ts';
import type { Figure, Measure, Run } from '../figures.ts';
import { makeProbe, type Probe } from '../first-instruction.ts';
import { contextSwitches, privateDirty } from '../process-state.ts';
import { withScope } from '../scope.ts';
import { reload, reloadTimes, superviseAll } from '../supervised.ts';

const RELOADS = 20;
/** Number of supervisors that are reloaded, and then rest, at the same time. */
const TOGETHER = 20;
const REST_MS = 30_000;
const WINDOW_MS = 10_000;
const AT_MOST_MB = 14;
const AT_MOST_SWITCHES = 1;

export const rest: Measure = {
  name: 'rest',
  about:
    'A supervisor 30 s after its 20th reload, without metrics (`settle` and `drain_timeout` are 0, so that the reloads take less time): its private memory (Private_Dirty), and the context switches of all of its threads in the next 10 s. For comparison, a Node process that waits for a timer. Then one more reload: the first one after a rest.',
  measure: (run) => withScope((scope) => measureRest(scope, run)),
};

interface State {
  readonly memory: number;
  readonly bare: number;
  readonly switches: number;
}

async function measureRest(scope: Scope, { pairs, progress }: Run): Promise<Figure[]> {
  const probe = makeProbe(scope);
  const supervisors: Zero[] = [];
  const states: State[] = [];
  while (states.length < pairs) {
    const count = Math.min(TOGETHER, pairs - states.length);
    const group = await superviseAll(scope, { ...probe, leavesAtOnce: true }, count);
    await Promise.all(group.map((zero) => reloadTimes(zero, RELOADS)));
    states.push(...(await Promise.all(group.map((zero) => watch(zero.pid, bareNode(scope))))));
    supervisors.push(...group);
    progress(`${states.length} of ${pairs}`);
  }
  const reloads: number[] = [];
  for (const zero of supervisors) reloads.push(await timeReload(zero, probe));
  const memory = states.map((state) => state.memory);
  const switches = states.map((state) => state.switches);
  return [
    {
      name: 'private dirty memory, 30 s after the 20th reload',
      unit: 'MB',
      target: { atMost: AT_MOST_MB },
      values: memory,
      samples: { supervisor_mb: memory, bare_node_mb: states.map((state) => state.bare) },
    },
    {
      name: 'context switches in 10 s of rest',
      unit: '',
      target: { atMost: AT_MOST_SWITCHES },
      values: switches,
      samples: { switches },
    },
    {
      name: "reload signal to the candidate's first instruction, after a rest",
      unit: 'ms',
      target: null,
      values: reloads,
      samples: { reload_ms: reloads },
    },
  ];
}

async function watch(supervisor: number, bare: number): Promise<State> {
  await pause(REST_MS);
  const memory = { memory: privateDirty(supervisor), bare: privateDirty(bare) };
  const before = contextSwitches(supervisor);
  await pause(WINDOW_MS);
  return { ...memory, switches: contextSwitches(supervisor) - before };
}

function bareNode(scope: Scope): number {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e9)'], { stdio: 'ignore' });
  scope.after(() => void child.kill('SIGKILL'));
  if (child.pid === undefined) throw new Error('node could not be started');
  return child.pid;
}

async function timeReload(zero: Zero, probe: Probe): Promise<number> {
  const first = probe.next();
  const sent = now();
  const done = reload(zero);
  const moment = await first;
  await done;
  return moment - sent;
}
