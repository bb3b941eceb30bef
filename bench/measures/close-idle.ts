import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram } from '../../test/support/debian.ts';
import { freeAddress } from '../../test/support/free-address.ts';
import { startLoad } from '../../test/support/load.ts';
import { nginxBuffers } from '../../test/support/nginx.ts';
import { fixture } from '../../test/support/paths.ts';
import { type Scope, temporaryFolder } from '../../test/support/temporary.ts';
import { startZero } from '../../test/support/zero.ts';
import { environmentList, type RawConfig } from '../../test/support/zero-config.ts';
import type { Figure, Measure, Run } from '../figures.ts';
import { withScope } from '../scope.ts';

const CLIENTS = 1_000;
/** Milliseconds between an answer and the client's next request. */
const THINK = { from: 0, to: 5_000 };
/** Time before the handover in ms: every client has sent at least one request, and the requests no longer coincide. */
const WARM_UP = 3_000;
const AFTER = 1_000;
const DRAIN_TIMEOUT = '20s';
const CLOSE_IDLE = '2s';
const SERVICE = fileURLToPath(new URL('../service.js', import.meta.url));

export const closeIdle: Measure = {
  name: 'close_idle',
  about:
    `Requests that fail in one handover, of ${CLIENTS} keep-alive clients that wait 0 to 5 s between a response and ` +
    `their next request, with close_idle: ${CLOSE_IDLE} and without it; drain_timeout is ${DRAIN_TIMEOUT} in both. The Node ` +
    'service has no shutdown handler: SIGTERM ends it at once. A request also counts as failed if the server has ' +
    'closed the connection before it answered, and the client could retry.',
  measure: async (run) => {
    const figures: Figure[] = [];
    for (const server of SERVERS) figures.push(...(await compare(run, server)));
    return figures;
  },
};

interface Place {
  readonly folder: string;
  readonly address: string;
}

interface Server {
  readonly name: string;
  /** `service` of a config, without its listeners and `handover`. Throws Error if the program is missing. */
  service(place: Place): RawConfig['service'];
}

const SERVERS: readonly Server[] = [
  { name: 'nginx', service: nginx },
  { name: 'node', service: node },
  { name: 'gunicorn', service: gunicorn },
];

function nginx({ folder, address }: Place): RawConfig['service'] {
  const file = join(folder, 'nginx.conf');
  writeFileSync(
    file,
    `events { worker_connections 4096; }
http {
  access_log off;
  ${nginxBuffers(folder)}
  server { listen ${address}; return 200 "hello\\n"; }
}
`,
  );
  const pid = `pid ${folder}/nginx.\${generation}.\${worker}.pid;`;
  return {
    runtime: {
      path: required('nginx', 'nginx-light'),
      args: ['-e', 'stderr', '-c', file, '-g', `daemon off; ${pid}`],
      protocols: ['nginx'],
    },
    options: { shutdown_signal: 'SIGQUIT', reload_uptime: '3s' },
  };
}

function node(): RawConfig['service'] {
  const runtime = { path: process.execPath, args: [SERVICE, '--fd', '${fd.http}'] };
  return { runtime: { ...runtime, environment: environmentList({}) } };
}

function gunicorn(): RawConfig['service'] {
  const pool = ['--worker-class', 'gthread', '--threads', '8', '--worker-connections', '4096'];
  return {
    runtime: {
      path: required('gunicorn', 'gunicorn'),
      args: ['--preload', '--workers', '2', ...pool, '--keep-alive', '75', 'app:application'],
      directory: dirname(fixture('app.py')),
    },
    readiness: { notify: true },
    options: { shutdown_timeout: '40s' },
  };
}

function required(name: string, debianPackage: string): string {
  const found = findProgram(name);
  if (found === null) throw new Error(`${name} is not installed: apt-get install ${debianPackage}`);
  return found;
}

async function compare({ pairs, progress }: Run, server: Server): Promise<Figure[]> {
  const counts = { with: [] as number[], without: [] as number[] };
  for (let round = 1; round <= pairs; round += 1) {
    const sides = round % 2 === 1 ? (['with', 'without'] as const) : (['without', 'with'] as const);
    for (const side of sides) {
      const failed = await withScope((scope) => handOver(scope, server, side === 'with'));
      counts[side].push(failed);
      progress(`${server.name} ${side} close_idle: ${failed} failed (${round} of ${pairs})`);
    }
  }
  const figure = (side: 'with' | 'without'): Figure => ({
    name: `failed requests in one handover, ${server.name}, ${side} close_idle`,
    unit: '',
    target: null,
    values: counts[side],
    samples: { failed: counts[side] },
  });
  return [figure('with'), figure('without')];
}

/** Returns the number of failed requests. */
async function handOver(scope: Scope, server: Server, closes: boolean): Promise<number> {
  const folder = temporaryFolder(scope);
  const address = await freeAddress();
  const handover = { mode: 'auto', drain_timeout: DRAIN_TIMEOUT, ...(closes && { close_idle: CLOSE_IDLE }) };
  const service = {
    ...server.service({ folder, address }),
    listeners: [{ name: 'http', address }],
    handover,
  };
  const zero = startZero(scope, { folder, config: { application: { logging: { level: 'info' } }, service } });
  await zero.fact('generation_promoted', { generation: 1 });
  const load = startLoad(scope, {
    target: address,
    clients: CLIENTS,
    connections: 'keep-alive',
    think: THINK,
    generationOf: () => 'any',
  });
  await load.whenPhaseHas(WARM_UP);
  zero.signal('SIGHUP');
  await zero.fact('generation_gone', { generation: 1 });
  load.phase('after');
  await load.whenPhaseHas(AFTER);
  return (await load.stop()).failed;
}
