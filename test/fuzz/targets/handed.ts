import assert from 'node:assert/strict';
import { storedDescriptors } from '../../../src/listeners/binding/passed-sockets.ts';
import { readClaims } from '../../../src/service/handed/find-handed.ts';
import { HandedError } from '../../../src/service/handed/index.ts';
import { takeRestarted } from '../../../src/supervisor/start/restarted.ts';
import { takeHanded } from '../../../src/supervisor/upgrade/handed.ts';
import { corpusOf, type Target } from '../target.ts';

/** The maximum of each of the four conventions. */
const MAX_SOCKETS = 4 * 65_536;

const SELF = { pid: 77, ppid: 66 };

/** Environment variables that pass descriptors, to zero and to the library in a service. */
export const handed: Target = {
  name: 'handed',
  corpus: corpusOf('handed'),
  words: [
    'LISTEN_FDS=',
    'LISTEN_PID=77',
    'LISTEN_FDNAMES=',
    'SERVER_STARTER_PORT=',
    'EINHORN_FD_COUNT=',
    'ZERO_UPGRADE=',
  ],
  check(input) {
    const environment = environmentIn(input);
    const outcomes: string[] = [];
    for (const { fd } of storedDescriptors(environment, SELF.pid)) assertDescriptor(fd);
    takeRestarted({ ...environment });
    const upgrade = takeHanded({ ...environment });
    if (upgrade !== null) {
      for (const fd of [upgrade.lock, upgrade.vault, upgrade.fifo ?? 0, ...upgrade.sockets])
        assertDescriptor(fd);
      assert.equal(typeof upgrade.runtimeDirectory, 'string');
      outcomes.push('upgrade');
    }
    try {
      const claims = readClaims(environment, SELF);
      assert.ok(claims.length <= MAX_SOCKETS);
      for (const { fd } of claims) assertDescriptor(fd);
      outcomes.push(claims.length === 0 ? 'none' : 'claims');
    } catch (error) {
      if (!(error instanceof HandedError)) throw error;
      outcomes.push('refused');
    }
    return outcomes.join(' ');
  },
};

function assertDescriptor(fd: number): void {
  assert.ok(Number.isInteger(fd) && fd >= 0 && fd <= 2 ** 31 - 1, `not a descriptor: ${fd}`);
}

/** In the form of the kernel: NAME=VALUE, each terminated by a NUL. */
function environmentIn(input: Buffer): NodeJS.ProcessEnv {
  const entries = input
    .toString()
    .split(/[\0\n]/)
    .map((entry) => [entry.split('=', 1)[0] ?? '', entry.slice(entry.indexOf('=') + 1)] as const);
  return Object.fromEntries(entries);
}
