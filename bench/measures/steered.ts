import { fileURLToPath } from 'node:url';
import type { Scope } from '../../test/support/temporary.ts';
import { type Measure, ratios } from '../figures.ts';
import { withScope } from '../scope.ts';
import { compareRates, HOW, PINNED, type Side } from '../side-by-side.ts';
import { sideOf, supervise } from '../supervised.ts';

const AT_LEAST = 0.98;
const SERVICE = fileURLToPath(new URL('../service.js', import.meta.url));

export const steered: Measure = {
  name: 'steered',
  about: `Requests a second of one small HTTP service in Node behind lanes and a steering program, against the same service under zero with mode: shared, one plain socket. Short connections, each of which the program is run for. ${HOW} ${PINNED}`,
  async measure({ pairs, progress }) {
    const lanes: number[] = [];
    const shared: number[] = [];
    for (let round = 1; round <= pairs; round += 1) {
      const [one, other] = await withScope(async (scope) =>
        compareRates(scope, [await serviceIn('steered', scope), await serviceIn('shared', scope)], 'short'),
      );
      lanes.push(one);
      shared.push(other);
      progress(`${round} of ${pairs}`);
    }
    return [
      {
        name: 'requests a second, short connections, steered',
        unit: 'x shared',
        target: { atLeast: AT_LEAST },
        values: ratios(lanes, shared),
        samples: { steered: lanes, shared },
      },
    ];
  },
};

async function serviceIn(mode: 'steered' | 'shared', scope: Scope): Promise<Side> {
  const service = {
    path: process.execPath,
    args: [SERVICE, '--fd', '3'],
    handover: { mode },
  };
  return sideOf(await supervise(scope, service));
}
