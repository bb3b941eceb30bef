import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { installPeer } from '../../test/support/peers.ts';
import { PM2 } from '../../test/support/pm2.ts';
import { type Scope, temporaryFolder } from '../../test/support/temporary.ts';
import { environmentList } from '../../test/support/zero-config.ts';
import { type Measure, ratios } from '../figures.ts';
import { compareInPairs, HOW, type Side } from '../side-by-side.ts';
import { portOf, supervise } from '../supervised.ts';

const AT_LEAST = 1.5;
const WORKERS = 2;
const SERVICE = fileURLToPath(new URL('../service.js', import.meta.url));

export const workers: Measure = {
  name: 'workers',
  about: `Requests per second of a small HTTP service in Node with two workers under zero, where the kernel chooses the worker, compared with two workers under pm2 ${PM2} in cluster mode, whose own process accepts each connection and passes it on. Short connections. ${HOW}`,
  async measure(run) {
    const [zero, pm2] = await compareInPairs(run, underZero, underPm2, 'short');
    return [
      {
        name: `requests a second, short connections, ${WORKERS} workers`,
        unit: 'x pm2 cluster',
        target: { atLeast: AT_LEAST },
        values: ratios(zero, pm2),
        samples: { zero, pm2 },
      },
    ];
  },
};

async function underZero(scope: Scope): Promise<Side> {
  const service = { path: process.execPath, args: [SERVICE, '--fd', '3'], workers: WORKERS };
  return { port: await portOf(await supervise(scope, service)) };
}

/** Starts pm2 in the foreground with all its files in a temporary folder. Resolves when every worker is up. */
async function underPm2(scope: Scope): Promise<Side> {
  const runtime = join(installPeer('pm2', PM2), 'bin', 'pm2-runtime');
  const environment = Object.fromEntries(environmentList({}).map(({ key, value }) => [key, value]));
  const folder = temporaryFolder(scope);
  const args = [runtime, 'start', SERVICE, '-i', String(WORKERS)];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'ignore'],
    cwd: folder,
    env: { ...environment, HOME: folder, PM2_HOME: folder },
    detached: true,
  });
  const ended = once(child, 'exit');
  scope.after(async () => {
    // The workers are in pm2's process group.
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    await ended;
  });
  // Each worker reports when it listens, and on which port: all workers of a cluster get the same port (cluster.html,
  // How it works).
  const ports: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    ports.push(...(/^\d+$/.exec(line.trim()) ?? []));
    if (ports.length === WORKERS) return { port: Number(ports[0]) };
  }
  throw new Error('pm2 ended before its workers listened');
}
