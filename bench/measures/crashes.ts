import { startCrashing } from '../../test/support/crashing.ts';
import { openDescriptors } from '../../test/support/open-files.ts';
import type { Scope } from '../../test/support/temporary.ts';
import { pause } from '../clock.ts';
import type { Figure, Measure, Run } from '../figures.ts';
import { privateDirty } from '../process-state.ts';
import { withScope } from '../scope.ts';

/** Number of crashes per pair: 20 pairs make 10,000. */
const CRASHES = 500;
/** Number of crashes between two readings. The figures compare the first round with the last. */
const ROUND = 500;
const SETTLE_MS = 2_000;
const MAX_GROWTH_MB = 2;

export const crashes: Measure = {
  name: 'crashes',
  about:
    'A service exits at once each time that it is started, with a pause of 1 ms. After all crashes it serves again. The figures are the descriptors and the private memory of the supervisor, minus those after the first 500 crashes.',
  measure: (run) => withScope((scope) => measureCrashes(scope, run)),
};

async function measureCrashes(scope: Scope, { pairs, progress }: Run): Promise<Figure[]> {
  const { zero, crash } = await startCrashing(scope);
  const read = async () => {
    await pause(SETTLE_MS);
    return { memory: privateDirty(zero.pid), descriptors: openDescriptors(zero.pid).length };
  };
  const count = Math.max(CRASHES * pairs, 2 * ROUND);
  await crash(ROUND);
  const before = await read();
  for (let done = ROUND; done < count; done += ROUND) {
    await crash(ROUND);
    progress(`${done + ROUND} of ${count}`);
  }
  const after = await read();
  zero.signal('SIGQUIT');
  await zero.exited;
  return [
    {
      name: `private dirty memory after ${count} crashes in a row, beyond that after ${ROUND}`,
      unit: 'MB',
      target: { atMost: MAX_GROWTH_MB },
      values: [after.memory - before.memory],
      samples: { after_all_mb: [after.memory], after_first_mb: [before.memory] },
    },
    {
      name: `descriptors after ${count} crashes in a row, beyond those after ${ROUND}`,
      unit: '',
      target: { atMost: 0 },
      values: [after.descriptors - before.descriptors],
      samples: { after_all: [after.descriptors], after_first: [before.descriptors] },
    },
  ];
}
