import { fileURLToPath } from 'node:url';
import type { Scope } from '../../test/support/temporary.ts';
import { type Measure, ratios } from '../figures.ts';
import { compareInPairs, HOW, PINNED, type Side } from '../side-by-side.ts';
import { sideOf, supervise } from '../supervised.ts';

const AT_LEAST = 0.98;
const SERVICE = fileURLToPath(new URL('../service.js', import.meta.url));

export const steered: Measure = {
  name: 'steered',
  about: `Requests per second of a small HTTP service in Node with lanes and a steering program, compared with the same service under zero with mode: shared, which uses one plain socket. Short connections: the steering program runs for each of them. ${HOW} ${PINNED}`,
  async measure(run) {
    const [lanes, shared] = await compareInPairs(run, serviceIn('steered'), serviceIn('shared'), 'short');
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

function serviceIn(mode: 'steered' | 'shared'): (scope: Scope) => Promise<Side> {
  const service = {
    path: process.execPath,
    args: [SERVICE, '--fd', '3'],
    handover: { mode },
  };
  return async (scope) => sideOf(await supervise(scope, service));
}
