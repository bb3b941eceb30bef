import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { startBackend } from '../support/backend.ts';
import { assertBalanced } from '../support/books.ts';
import { requireProgram } from '../support/debian.ts';
import { freeAddress } from '../support/free-address.ts';
import { type GateServer, startGateServer } from '../support/gate-server.ts';
import { holdRequest } from '../support/held-request.ts';
import { generationInBody, type Load, startLoad } from '../support/load.ts';
import { nginxRecipe } from '../support/nginx.ts';
import { fixture } from '../support/paths.ts';
import { sessionMembers } from '../support/processes.ts';
import { type Recipe, readRecipe } from '../support/recipe.ts';
import type { Response } from '../support/response-parser.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero, type Zero } from '../support/zero.ts';
import type { RawConfig } from '../support/zero-config.ts';

const RELOADS = 10;
const REQUESTS = 100;
const CLIENTS = 8;

interface Place {
  readonly folder: string;
  /** In the form of a config. */
  readonly address: string;
  /** Absolute path of the program. */
  readonly program: string;
}

/** A program as the service, ready to start. */
interface Service {
  readonly config: RawConfig;
  /** Creates the files of this generation. */
  deploy?(generation: number): void;
  generationOf(response: Response): string;
  /** Ids of the requests that the program answered, after its exit. */
  answered(): readonly string[];
}

interface Program {
  readonly title: string;
  readonly name: string;
  readonly debianPackage: string;
  setUp(t: TestContext, place: Place): Promise<Service> | Service;
}

/** The recipe of the guide with the paths of this test. */
function recipeFor(name: string, { folder, address, program }: Place, more = {}): Recipe {
  return readRecipe(name, {
    [`/usr/sbin/${name}`]: program,
    [`/usr/bin/${name}`]: program,
    '/srv/example': folder,
    '/run/': `${folder}/`,
    '127.0.0.1:8080': address,
    ...more,
  });
}

/** Lines that a program wrote about each request: `?id=ID` or `ID`. */
function idsIn(file: string): string[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.replace(/^\??(id=)?/, ''));
}

const nginx: Program = {
  title: 'nginx',
  name: 'nginx',
  debianPackage: 'nginx-light',
  setUp(_, place) {
    const { folder } = place;
    const book = join(folder, 'ids');
    const { service, conf } = nginxRecipe(place.program, folder, place.address);
    return {
      config: { service },
      deploy(generation) {
        const log = `log_format id $arg_id;\naccess_log ${book} id;`;
        writeFileSync(join(folder, 'nginx.conf'), conf({ generation }).replace('access_log off;', log));
      },
      generationOf: generationInBody,
      answered: () => idsIn(book),
    };
  },
};

const gunicorn: Program = {
  title: 'gunicorn',
  name: 'gunicorn',
  debianPackage: 'gunicorn',
  setUp(_, place) {
    const book = join(place.folder, 'ids');
    const { config } = recipeFor('gunicorn', place, { '/srv/example': dirname(fixture('app.py')) });
    const { runtime } = config.service;
    const args = ['--access-logfile', book, '--access-logformat', '%(q)s', ...(runtime.args as string[])];
    return {
      config: { ...config, service: { ...config.service, runtime: { ...runtime, args } } },
      generationOf: generationInBody,
      answered: () => idsIn(book),
    };
  },
};

function haproxy(mode: string): Program {
  return {
    title: `haproxy ${mode}`,
    name: 'haproxy',
    debianPackage: 'haproxy',
    async setUp(t, place) {
      const backend = await startBackend(t);
      const recipe = recipeFor('haproxy', place, { '127.0.0.1:9000': backend.address });
      const named = 'http-response set-header generation "${ZERO_GENERATION}"';
      const text = recipe.block('haproxy').replace('bind fd@3', `bind fd@3\n  ${named}`);
      writeFileSync(join(place.folder, 'haproxy.cfg'), text);
      const { readiness, ...service } = recipe.config.service;
      const [, ...args] = service.runtime.args as string[];
      const config = {
        service: {
          ...service,
          runtime: { ...service.runtime, args: [mode, ...args] },
          ...(mode === '-Ws' && { readiness }),
        },
      };
      return {
        config,
        generationOf: ({ headers }) => headers.get('generation') ?? 'unknown',
        answered: () => backend.ids,
      };
    },
  };
}

/** The recipe with a gate by which the test decides when a candidate is ready. */
function gated({ service }: RawConfig, gate: GateServer): RawConfig {
  const options = { ...(service.options as object), reload_uptime: '100ms' };
  const readiness = { ...(service.readiness as object), http: { address: gate.address, interval: '5ms' } };
  return { service: { ...service, options, readiness } };
}

async function phase(load: Load, name: string): Promise<void> {
  load.phase(name);
  await load.whenPhaseHas(REQUESTS);
}

interface Running {
  readonly zero: Zero;
  readonly service: Service;
  readonly gate: GateServer;
  readonly load: Load;
  readonly address: string;
}

/**
 * One handover with at least REQUESTS requests in each of its phases, and one request that the old generation must
 * complete.
 */
async function handOver(t: TestContext, running: Running, generation: number): Promise<void> {
  const { zero, service, gate, load, address } = running;
  const next = generation + 1;
  gate.shut();
  const held = holdRequest(t, address);
  // The accept queue is served in order. A later connection has been answered, so the held one was accepted.
  await phase(load, `${next} before`);
  service.deploy?.(next);
  zero.signal('SIGHUP');
  await zero.fact('worker_spawned', { generation: next });
  await phase(load, `${next} starting`);
  gate.open();
  await zero.fact('generation_retiring', { generation });
  await phase(load, `${next} stopping`);
  assert.deepEqual(zero.log.all('generation_gone', { generation }), []);
  assert.equal(service.generationOf(await held.finish()), String(generation));
  await zero.fact('generation_gone', { generation });
  await phase(load, `${next} after`);
}

/** Asserts that nothing was killed, and that no process remains. */
function assertCleanEnd({ log }: Zero): void {
  assert.deepEqual(
    log.facts.filter(({ event }) => ['worker_killed', 'leftovers_killed', 'error'].includes(event)),
    [],
  );
  for (const { pid } of log.all('worker_spawned')) assert.deepEqual(sessionMembers(pid), []);
  for (const { exit } of log.all('worker_exited')) assert.deepEqual(exit, { kind: 'exited', code: 0 });
}

async function reloadUnderLoad(t: TestContext, program: Program, network: 'TCP' | 'Unix'): Promise<void> {
  const path = requireProgram(t, program.name, program.debianPackage);
  if (path === null) return;
  const folder = temporaryFolder(t);
  const address = network === 'TCP' ? await freeAddress() : `unix:${join(folder, 'socket')}`;
  const service = await program.setUp(t, { folder, address, program: path });
  const gate = await startGateServer(t);
  service.deploy?.(1);
  gate.open();
  const zero = startZero(t, { folder, config: gated(service.config, gate) });
  await zero.fact('generation_promoted', { generation: 1 });
  const { generationOf } = service;
  const load = startLoad(t, { target: address, clients: CLIENTS, generationOf });
  const running = { zero, service, gate, load, address };
  for (let generation = 1; generation <= RELOADS; generation += 1) await handOver(t, running, generation);
  const result = await load.stop();
  zero.signal('SIGTERM');
  assert.deepEqual(await zero.exited, { code: 0, signal: null });
  assert.deepEqual(result.failures, {});
  const ids = service.answered().filter((id) => id !== 'held');
  assertBalanced(result, [{ pid: 0, generation: 'all', count: ids.length, ids }]);
  const generations = Object.keys(result.byGeneration).map(Number);
  assert.deepEqual(
    generations.sort((a, b) => a - b),
    Array.from({ length: RELOADS + 1 }, (_, index) => index + 1),
  );
  assertCleanEnd(zero);
}

for (const program of [nginx, gunicorn, haproxy('-Ws'), haproxy('-db')]) {
  describe(program.title, () => {
    for (const network of ['TCP', 'Unix'] as const) {
      it(`is replaced ${RELOADS} times over ${network} without losing a request`, DEADLINE, (t) =>
        reloadUnderLoad(t, program, network),
      );
    }
  });
}
