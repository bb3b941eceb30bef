// Unchanged programs that stop themselves with common libraries, under zero.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { freeAddress } from '../support/free-address.ts';
import { PRELOAD } from '../support/handed-program.ts';
import { type Load, type LoadOptions, startLoad } from '../support/load.ts';
import { fixture, ROOT } from '../support/paths.ts';
import type { Scope } from '../support/temporary.ts';
import { startZero, type Zero } from '../support/zero.ts';
import { environmentList } from '../support/zero-config.ts';

const DEADLINE = { timeout: 240_000 };

const HANDOVERS = 10;

/** The library and the handler of each program, as in the table of docs/guide/node.md. */
const PROGRAMS: Readonly<Record<string, readonly [program: string, handler: string]>> = {
  'close-with-grace': ['Fastify with close-with-grace', '`closeWithGrace(() => app.close())`'],
  terminus: ['@godaddy/terminus', "`createTerminus(server, { signal: 'SIGTERM' })`"],
  stoppable: ['stoppable', '`server.stop(() => process.exit())`'],
  'http-terminator': ['http-terminator', '`await terminator.terminate()`'],
  express: ['Express', '`server.close(() => process.exit())`'],
  nest: ['NestJS', '`app.enableShutdownHooks()`'],
  hapi: ['hapi', '`await server.stop()`'],
  closeAndExit: ['node:http', '`server.close(); process.exit(0)`'],
  closeEvent: ['node:http', "`server.on('close', () => process.exit(0)); server.close()`"],
  afterListening: ['node:http', '`process.exit(0)`, added after `listen`'],
  cluster: ['node:cluster', '`cluster.disconnect(() => process.exit())` in the primary'],
};

interface Service {
  readonly zero: Zero;
  readonly address: string;
}

/** The program with the default steering of TCP. zero waits only briefly for its connections before the signal. */
async function serve(
  t: Scope,
  kind: string,
  sections: { readonly handover?: object; readonly options?: object } = {},
): Promise<Service> {
  const address = await freeAddress();
  const port = address.split(':')[1] ?? '';
  const args = [fixture('unchanged/stoppers.cjs'), kind, port];
  const environment = environmentList({ NODE_OPTIONS: PRELOAD });
  const zero = startZero(t, {
    config: {
      service: {
        listeners: [{ name: 'http', address }],
        runtime: { path: process.execPath, args, environment },
        options: { reload_uptime: '0s', ...sections.options },
        readiness: { notify: true },
        handover: { mode: 'auto', settle: '50ms', drain_timeout: '100ms', ...sections.handover },
      },
    },
  });
  await zero.fact('generation_promoted', { generation: 1 });
  return { zero, address };
}

/** Handovers during the load. Every generation answers some requests. */
async function handOver({ zero }: Service, loads: readonly Load[], handovers: number): Promise<void> {
  for (let generation = 2; generation <= handovers + 1; generation += 1) {
    await Promise.all(loads.map((load) => load.whenPhaseHas(20)));
    zero.signal('SIGHUP');
    await zero.fact('generation_gone', { generation: generation - 1 });
    for (const load of loads) load.phase(`generation ${generation}`);
  }
}

async function assertNothingLost({ zero }: Service, loads: readonly Load[]): Promise<void> {
  for (const { failed, losses } of await Promise.all(loads.map((load) => load.stop())))
    assert.deepEqual([failed, losses], [0, []]);
  assert.deepEqual(zero.log.all('worker_killed'), []);
}

describe(`a program with its own shutdown handler loses no request in ${HANDOVERS} handovers`, () => {
  it('and the guide has the results of these tests', () => {
    const guide = readFileSync(join(ROOT, 'docs', 'guide', 'node.md'), 'utf8');
    const rows = guide.split('\n').filter((line) => line.endsWith(' failed |'));
    // The assertions below hold for every program.
    const results = `${HANDOVERS} | 0 failed | 0 failed`;
    const expected = Object.values(PROGRAMS).map(
      ([program, handler]) => `| ${program} | ${handler} | ${results} |`,
    );
    assert.deepEqual(rows, expected);
  });

  for (const kind of Object.keys(PROGRAMS))
    it(kind, DEADLINE, async (t) => {
      const service = await serve(t, kind);
      const target = service.address;
      const keptAlive: Partial<LoadOptions> = { connections: 'keep-alive', clients: 32 };
      const loads = [
        startLoad(t, { target, clients: 4 }),
        startLoad(t, { target, ...keptAlive, think: { from: 0, to: 100 } }),
      ];
      await handOver(service, loads, HANDOVERS);
      await assertNothingLost(service, loads);
    });
});

describe('a program that adds its shutdown handler after it listens', () => {
  for (const kind of ['afterListening', 'afterReady', 'hapi'])
    it(`does not receive the signal while requests are in progress: ${kind}`, DEADLINE, async (t) => {
      // A signal during these requests would end them.
      const sections = { handover: { drain_timeout: '10s' }, options: { shutdown_timeout: '1s' } };
      const service = await serve(t, kind, sections);
      const path = (id: string) => `/?wait=1000&id=${id}`;
      const loads = [startLoad(t, { target: service.address, clients: 16, path })];
      await handOver(service, loads, 5);
      await assertNothingLost(service, loads);
    });
});
