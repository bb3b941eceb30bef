import type { Scope } from '../../test/support/temporary.ts';
import type { Zero } from '../../test/support/zero.ts';
import { pause } from '../clock.ts';
import { type Figure, type Measure, type Run, ratios } from '../figures.ts';
import { makeProbe } from '../first-instruction.ts';
import { privateDirty } from '../process-state.ts';
import { withScope } from '../scope.ts';
import { reloadTimes, superviseAll } from '../supervised.ts';

const FEW = 20;
const MANY = 1_000;
/**
 * Time until the lanes of the last reloads are free again (the longest handshake takes 65 s) and 20 s without activity
 * have passed.
 */
const REST_MS = 100_000;
/** Two readings of one supervisor differ by about this factor. */
const AT_MOST = 1.05;
/** Number of supervisors that are reloaded at the same time. */
const TOGETHER = 20;

export const thousand: Measure = {
  name: 'thousand',
  about:
    'The memory of one supervisor 100 s after its 1,000th reload, compared with 100 s after its 20th (`settle` and `drain_timeout` are 0, so that they take less time). The target is 5 %, which is also the variation of a single reading.',
  measure: (run) => withScope((scope) => measureThousand(scope, run)),
};

async function measureThousand(scope: Scope, { pairs, progress }: Run): Promise<Figure[]> {
  const probe = makeProbe(scope);
  const few: number[] = [];
  const many: number[] = [];
  for (let done = 0; done < pairs; done += TOGETHER) {
    const count = Math.min(TOGETHER, pairs - done);
    const supervisors = await superviseAll(scope, { ...probe, leavesAtOnce: true }, count);
    few.push(...(await Promise.all(supervisors.map((zero) => memoryAfter(zero, FEW)))));
    many.push(...(await Promise.all(supervisors.map((zero) => memoryAfter(zero, MANY - FEW)))));
    for (const zero of supervisors) {
      zero.signal('SIGQUIT');
      await zero.exited;
    }
    progress(`${many.length} of ${pairs}`);
  }
  return [
    {
      name: 'private dirty memory, after 1,000 reloads against after 20',
      unit: 'x',
      target: { atMost: AT_MOST },
      values: ratios(many, few),
      samples: { after_1000_mb: many, after_20_mb: few },
    },
  ];
}

async function memoryAfter(zero: Zero, reloads: number): Promise<number> {
  await reloadTimes(zero, reloads);
  await pause(REST_MS);
  return privateDirty(zero.pid);
}
