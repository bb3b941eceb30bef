import { spawn } from 'node:child_process';
import type { Scope } from '../../test/support/temporary.ts';
import { now } from '../clock.ts';
import type { Figure, Measure, Run } from '../figures.ts';
import { makeProbe, type Probe } from '../first-instruction.ts';
import { withScope } from '../scope.ts';
import { reload, supervise } from '../supervised.ts';

const AT_MOST_MS = 6;

export const reloads: Measure = {
  name: 'reload',
  about:
    'From kill(2) of the reload signal to the first instruction of the candidate: zero wakes up, reads the config, checks the executable, creates pipes and the notify socket, and the launcher runs (sh, for LISTEN_PID, and env if sh is not dash). For comparison, the Node of this benchmark starts the same executable directly.',
  measure: (run) => withScope((scope) => measureReloads(scope, run)),
};

async function measureReloads(scope: Scope, { pairs, progress }: Run): Promise<Figure[]> {
  const probe = makeProbe(scope);
  const zero = await supervise(scope, probe);
  const reloaded: number[] = [];
  const direct: number[] = [];
  for (let round = 1; round <= pairs; round += 1) {
    const first = probe.next();
    const sent = now();
    const done = reload(zero);
    reloaded.push((await first) - sent);
    await done;
    direct.push(await timeSpawn(probe));
    progress(`${round} of ${pairs}`);
  }
  return [
    {
      name: "reload signal to the candidate's first instruction",
      unit: 'ms',
      target: { atMost: AT_MOST_MS },
      values: reloaded,
      samples: { reload_ms: reloaded, direct_spawn_ms: direct },
    },
  ];
}

async function timeSpawn(probe: Probe): Promise<number> {
  const first = probe.next();
  const begin = now();
  const child = spawn(probe.path, probe.args, { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const moment = await first;
  child.kill('SIGKILL');
  await ended;
  return moment - begin;
}
