import { fileURLToPath } from 'node:url';
import type { Scope } from '../../test/support/temporary.ts';
import type { Zero } from '../../test/support/zero.ts';
import { now } from '../clock.ts';
import type { Figure, Measure, Run } from '../figures.ts';
import { withScope } from '../scope.ts';
import { supervise } from '../supervised.ts';

const AT_MOST_MS = 20;
const SERVICE = fileURLToPath(new URL('../service.js', import.meta.url));
const LONG = '1h';

export const rollback: Measure = {
  name: 'rollback',
  about:
    'From kill(2) of SIGKILL to the candidate until zero reports that new connections go to the incumbent again, the last steering change of the rollback: the kernel ends the process, zero wakes up and steers, and the report is written and read, which counts as well. Measured in a canary of 50 %, and in the soak, in which the candidate gets all connections.',
  measure: async (run) => [
    await measureRollbacks('canary', { canary: { steps: [{ percent: 50, for: LONG }] } }, run),
    await measureRollbacks('soak', { soak: LONG }, run),
  ],
};

type Step = 'canary' | 'soak';

async function measureRollbacks(
  step: Step,
  handover: Readonly<Record<string, unknown>>,
  { pairs, progress }: Run,
): Promise<Figure> {
  const times = await withScope(async (scope: Scope) => {
    const args = [SERVICE, '--fd', '3'];
    const zero = await supervise(scope, { path: process.execPath, args, level: 'debug', handover });
    const values: number[] = [];
    for (let round = 1; round <= pairs; round += 1) {
      values.push(await timeRollback(zero, step));
      progress(`${step} ${round} of ${pairs}`);
    }
    return values;
  });
  return {
    name: `a candidate that dies in the ${step} to the last steering change`,
    unit: 'ms',
    target: { atMost: AT_MOST_MS },
    values: times,
    samples: { ms: times },
  };
}

async function timeRollback(zero: Zero, step: Step): Promise<number> {
  const { cursor } = zero;
  zero.signal('SIGHUP');
  await zero.fact('handover_step', { step }, cursor);
  const { generation, pid } = await zero.fact('worker_spawned', {}, cursor);
  const before = zero.cursor;
  const finished = zero.fact('handover_finished', {}, before);
  const killed = now();
  process.kill(pid, 'SIGKILL');
  await zero.fact('steering_changed', {}, before);
  const steered = now();
  const { outcome } = await finished;
  if (outcome !== 'rolled_back') throw new Error(`generation ${generation} was ${outcome}`);
  await zero.fact('generation_gone', { generation }, before);
  // This was the last change of steering: none follows when the candidate has ended.
  if (zero.log.all('steering_changed', {}, before).length !== 1) throw new Error('steered more than once');
  return steered - killed;
}
