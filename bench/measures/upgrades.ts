import { startLoad } from '../../test/support/load.ts';
import { fixture } from '../../test/support/paths.ts';
import type { Scope } from '../../test/support/temporary.ts';
import { pause } from '../clock.ts';
import type { Figure, Measure, Run } from '../figures.ts';
import { privateDirty } from '../process-state.ts';
import { withScope } from '../scope.ts';
import { supervise } from '../supervised.ts';

/** Number of upgrades per pair: 20 pairs make 200. */
const UPGRADES = 10;

/** The supervisor's memory is read after this many upgrades, and after all of them. */
const FIRST = 5;
const SETTLE_MS = 2_000;
const GROWTH_AT_MOST_MB = 1;

export const upgrades: Measure = {
  name: 'upgrades',
  about:
    'Upgrades of zero in place (SIGUSR2), one after the other, with a service of two workers under load: the failed requests, and the private memory of the supervisor after the last upgrade, minus that after the fifth.',
  measure: (run) => withScope((scope) => measureUpgrades(scope, run)),
};

async function measureUpgrades(scope: Scope, { pairs, progress }: Run): Promise<Figure[]> {
  const service = { path: process.execPath, args: [fixture('graceful.js')], workers: 2 };
  const zero = await supervise(scope, service);
  const load = startLoad(scope, { target: await zero.address('listener0'), clients: 4 });
  const count = Math.max(UPGRADES * pairs, FIRST + 1);
  let before = 0;
  for (let done = 1; done <= count; done += 1) {
    const { cursor } = zero;
    zero.signal('SIGUSR2');
    await zero.fact('supervisor_recovered', { by: 'upgrade' }, cursor);
    progress(`${done} of ${count}`);
    if (done === FIRST || done === count) await pause(SETTLE_MS);
    if (done === FIRST) before = privateDirty(zero.pid);
  }
  const after = privateDirty(zero.pid);
  const { failed } = await load.stop();
  zero.signal('SIGQUIT');
  await zero.exited;
  return [
    {
      name: `failed requests in ${count} upgrades in place`,
      unit: '',
      target: { atMost: 0 },
      values: [failed],
      samples: { failed: [failed] },
    },
    {
      name: `private dirty memory after ${count} upgrades, beyond that after ${FIRST}`,
      unit: 'MB',
      target: { atMost: GROWTH_AT_MOST_MB },
      values: [after - before],
      samples: { after_all_mb: [after], after_five_mb: [before] },
    },
  ];
}
