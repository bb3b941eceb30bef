import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { command } from './command.ts';
import type { Skippable } from './debian.ts';
import { requireProgram } from './debian.ts';
import { generationInBody, type Load, startLoad } from './load.ts';
import { nginxRecipe } from './nginx.ts';
import { fixture, ROOT } from './paths.ts';
import { isRunning } from './processes.ts';
import { readRecipe } from './recipe.ts';
import type { RunningService } from './running-service.ts';
import { type Scope, temporaryFolder } from './temporary.ts';
import { startZero, type Zero, type ZeroOptions } from './zero.ts';
import { environmentList, type RawConfig } from './zero-config.ts';

/** A service that is started by hand, and the config for its next versions. */
export interface Adoptable {
  /** Binds the address itself. */
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly directory?: string;
  readonly service: RawConfig['service'];
  /** Keeps connections open for the next request. */
  readonly keepsAlive: boolean;
}

/** Makes a service that listens on the address; null: the test was skipped. */
type Maker = (test: Skippable & Scope, address: string) => Adoptable | null;

const REGISTER = join(ROOT, 'dist', 'service', 'register.cjs');

/** A Node program that binds its address, and later gets its sockets from the register module. */
export const node: Maker = (_, address) => ({
  command: [process.execPath, fixture('graceful.js')],
  environment: { LISTEN: address },
  keepsAlive: true,
  service: {
    listeners: [{ name: 'http', address }],
    runtime: {
      path: process.execPath,
      args: [fixture('graceful.js')],
      environment: environmentList({ LISTEN: address, NODE_OPTIONS: `--require=${REGISTER}` }),
    },
  },
});

/** A loop around accept(2). */
export const compiled: Maker = (test, address) => {
  const gcc = requireProgram(test, 'gcc', 'gcc');
  if (gcc === null) return null;
  const path = join(temporaryFolder(test), 'accept-loop');
  execFileSync(gcc, ['-O1', '-o', path, fixture('accept-loop.c')]);
  return {
    command: [path, ...address.split(':')],
    keepsAlive: false,
    service: { listeners: [{ name: 'http', address }], runtime: { path } },
  };
};

export const gunicorn: Maker = (test, address) => {
  const path = requireProgram(test, 'gunicorn', 'gunicorn');
  if (path === null) return null;
  const directory = dirname(fixture('app.py'));
  const { config } = readRecipe('gunicorn', {
    '/usr/bin/gunicorn': path,
    '/srv/example': directory,
    '127.0.0.1:8080': address,
  });
  const environment = { PYTHONDONTWRITEBYTECODE: '1' };
  const runtime = { ...config.service.runtime, environment: environmentList(environment) };
  return {
    command: [path, '--preload', '--workers', '2', '--bind', address, 'app:application'],
    environment,
    directory,
    keepsAlive: false,
    service: { ...config.service, runtime },
  };
};

export const nginx: Maker = (test, address) => {
  const path = requireProgram(test, 'nginx', 'nginx-light');
  if (path === null) return null;
  const folder = temporaryFolder(test);
  const { service, conf } = nginxRecipe(path, folder, address);
  const withTwo = (generation: number) => `worker_processes 2;\n${conf({ generation })}`;
  writeFileSync(join(folder, 'by-hand.conf'), withTwo(0));
  writeFileSync(join(folder, 'nginx.conf'), withTwo(2));
  return {
    command: [
      path,
      '-e',
      'stderr',
      '-c',
      `${folder}/by-hand.conf`,
      '-g',
      `daemon off; pid ${folder}/by-hand.pid;`,
    ],
    // On its shutdown signal it closes idle keep-alive connections. A request that arrives at that moment is lost.
    keepsAlive: false,
    service,
  };
};

/** Longer than all requests of a test take. */
const SOAK = '60s';

/** The config for the next version: a soak, and no long waits. */
export function configFor({ service }: Adoptable, more: Partial<RawConfig['service']> = {}): RawConfig {
  const handover = { mode: 'auto', soak: SOAK, settle: '100ms', drain_timeout: '1s' };
  const options = { reload_uptime: '200ms', ...(service.options as object) };
  return { service: { ...service, options, handover, ...more } };
}

/** Runs `zero adopt`, and waits until zero manages the service. */
export async function adopt(
  scope: Scope,
  pid: number,
  config: RawConfig,
  options: Omit<ZeroOptions, 'config' | 'args'> = {},
): Promise<Zero> {
  const zero = startZero(scope, { ...options, config, args: ['adopt', '--pid', String(pid)] });
  await zero.fact('service_adopted');
  return zero;
}

/** Clients with short connections, and others with keep-alive connections if the service supports them. */
export interface Clients {
  /** Waits for more answers for each client. */
  proceed(phase: string): Promise<void>;
  /** Asserts that no request was lost. Returns the generations that answered. */
  end(): Promise<string[]>;
}

const REQUESTS = 100;

export function startClients(
  scope: Scope,
  target: string,
  { keepsAlive }: Pick<Adoptable, 'keepsAlive'>,
): Clients {
  const kinds = keepsAlive ? (['short', 'keep-alive'] as const) : (['short'] as const);
  const loads = kinds.map(
    (connections): Load =>
      startLoad(scope, {
        target,
        connections,
        clients: 4,
        generationOf: generationInBody,
        think: { from: 0, to: 10 },
      }),
  );
  return {
    proceed: async (phase) => {
      for (const load of loads) load.phase(phase);
      await Promise.all(loads.map((load) => load.whenPhaseHas(REQUESTS)));
    },
    end: async () => {
      const results = await Promise.all(loads.map((load) => load.stop()));
      for (const { failed, losses } of results) assert.equal(failed, 0, JSON.stringify(losses.slice(0, 5)));
      return [...new Set(results.flatMap(({ byGeneration }) => Object.keys(byGeneration)))].sort();
    },
  };
}

/**
 * Adopts a service, reloads it with a soak, rolls back in the soak, and reloads it for good, while clients send
 * requests. Asserts that no request is lost.
 * @param adopted runs before the first reload, to hand the service over
 * @param handOver runs after the first reload that is final, to hand the service over
 */
export async function adoptUnderLoad(
  t: Scope,
  program: Adoptable,
  running: Pick<RunningService, 'pid' | 'known' | 'exited'>,
  address: string,
  {
    adopted = async () => {},
    handOver = async () => {},
    ...options
  }: Parameters<typeof adopt>[3] &
    Partial<Record<'adopted' | 'handOver', (zero: Zero) => Promise<void>>> = {},
): Promise<Zero> {
  const clients = startClients(t, address, program);
  await clients.proceed('before');
  const zero = await adopt(t, running.pid, configFor(program), options);
  await clients.proceed('adopted');
  await adopted(zero);
  const reload = async () => {
    const { cursor } = zero;
    zero.signal('SIGHUP');
    const { generation } = await zero.fact('handover_step', { step: 'soak' }, cursor);
    await clients.proceed(`generation ${generation}`);
  };
  await reload();
  const back = await command(t, zero, 'abort');
  assert.equal(back.code, 0, back.stderr);
  await clients.proceed('rolled back');
  assert.ok(isRunning(running.known), 'the adopted process was stopped by a rollback');
  await zero.fact('generation_gone', { generation: 2 });
  await reload();
  const promote = await command(t, zero, 'promote');
  assert.equal(promote.code, 0, promote.stderr);
  await running.exited;
  await zero.fact('generation_gone', { generation: 1 });
  await clients.proceed('after');
  await handOver(zero);
  await clients.proceed('handed over');
  const answered = await clients.end();
  assert.ok(answered.includes('0') && answered.length > 1, `answered: ${answered}`);
  const stop = await command(t, zero, 'stop');
  assert.equal(stop.code, 0, stop.stderr);
  assert.deepEqual(zero.log.all('error'), []);
  return zero;
}
