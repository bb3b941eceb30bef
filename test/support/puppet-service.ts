import assert from 'node:assert/strict';
import { HttpConnection } from './http-connection.ts';
import type { Puppet } from './puppet.ts';
import { type Puppets, startPuppets } from './puppets.ts';
import { parseTarget } from './target.ts';
import type { Scope } from './temporary.ts';
import { startZero, type Zero, type ZeroOptions } from './zero.ts';
import { environmentList, type RawConfig } from './zero-config.ts';

/** The descriptor for the line that makes a puppet ready, see `puppetConfig`. */
const READY_FD = 10;

/** Sections of a config that replace those of `puppetConfig`. `runtime` and `environment` are merged. */
export interface PuppetSections {
  readonly application?: RawConfig['application'];
  readonly listeners?: RawConfig['service']['listeners'];
  readonly runtime?: Readonly<Record<string, unknown>>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly options?: Readonly<Record<string, unknown>>;
  readonly readiness?: Readonly<Record<string, unknown>>;
  readonly handover?: Readonly<Record<string, unknown>>;
  readonly restart?: Readonly<Record<string, unknown>>;
  readonly liveness?: Readonly<Record<string, unknown>>;
  readonly output?: Readonly<Record<string, unknown>>;
  readonly watch?: Readonly<Record<string, unknown>>;
  readonly hooks?: Readonly<Record<string, unknown>>;
}

/**
 * A config whose service is a puppet on one TCP listener `http`. It is ready when the test calls `becomeReady`, not
 * after a time, and is restarted after 10 ms.
 */
export function puppetConfig(puppets: Puppets, sections: PuppetSections = {}): RawConfig {
  const [path, ...args] = puppets.command;
  const environment = environmentList({ ...puppets.environment, ...sections.environment });
  return {
    ...(sections.application && { application: sections.application }),
    service: {
      listeners: sections.listeners ?? [{ name: 'http', address: '127.0.0.1:0' }],
      runtime: { path, args, environment, ...sections.runtime },
      options: { reload_uptime: '0s', ...sections.options },
      readiness: { ready_fd: READY_FD, ...sections.readiness },
      ...(sections.handover && { handover: sections.handover }),
      ...(sections.output && { output: sections.output }),
      ...(sections.liveness && { liveness: sections.liveness }),
      ...(sections.watch && { watch: sections.watch }),
      ...(sections.hooks && { hooks: sections.hooks }),
      restart: sections.restart ?? { backoff: { initial: '10ms', factor: 1 } },
    },
  };
}

/** Writes the line to the ready descriptor. */
export function becomeReady(puppet: Puppet): Promise<void> {
  return puppet.write(READY_FD, 'ready\n');
}

/** The next puppet, after it listens on the given listeners and is ready. */
export async function nextReady(puppets: Puppets, listeners: readonly string[] = ['http']): Promise<Puppet> {
  const puppet = await puppets.next();
  for (const name of listeners) await puppet.listen({ name });
  await becomeReady(puppet);
  return puppet;
}

/** A supervisor with puppets as its service. */
export interface PuppetService {
  readonly zero: Zero;
  readonly puppets: Puppets;
  /** Writes the config again, with other sections. */
  rewrite(sections: PuppetSections): void;
  /** Sends the reload signal. Its events follow the returned cursor. */
  reload(): number;
}

/** Starts the supervisor without waiting for any event. */
export async function startPuppetService(
  scope: Scope,
  sections: PuppetSections = {},
  options: Omit<ZeroOptions, 'config'> = {},
): Promise<PuppetService> {
  const puppets = await startPuppets(scope);
  const zero = startZero(scope, { ...options, config: puppetConfig(puppets, sections) });
  return {
    zero,
    puppets,
    rewrite: (changed) => zero.rewrite(puppetConfig(puppets, changed)),
    reload() {
      const { cursor } = zero;
      zero.signal('SIGHUP');
      return cursor;
    },
  };
}

/** The same, and waits for the promotion of the first generation. */
export async function startServing(
  scope: Scope,
  sections: PuppetSections = {},
  options: Omit<ZeroOptions, 'config'> = {},
): Promise<PuppetService & { readonly incumbent: Puppet }> {
  const service = await startPuppetService(scope, sections, options);
  const names = (sections.listeners ?? [{ name: 'http' }]).map(({ name }) => String(name));
  const incumbent = await nextReady(service.puppets, names);
  await service.zero.fact('generation_promoted', { generation: 1 });
  return { ...service, incumbent };
}

/** The process that answers a request on a new connection to that address. Fails without an answer. */
export async function whoAnswers(address: string): Promise<{ generation: number; pid: number }> {
  const connection = new HttpConnection(parseTarget(address));
  const exchange = await connection.exchange(
    'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
    10_000,
  );
  connection.close();
  if (exchange.kind === 'failed')
    assert.fail(`a request to ${address} failed: ${exchange.name}: ${exchange.detail}`);
  const { generation, pid } = JSON.parse(exchange.response.body.toString());
  return { generation, pid };
}

/** Asserts that the incumbent serves and has received no signal, as required after a failed handover. */
export async function assertUntouched({ zero }: PuppetService, incumbent: Puppet): Promise<void> {
  const { generation, pid } = incumbent;
  assert.deepEqual(await whoAnswers(await zero.address('http')), { generation, pid });
  assert.deepEqual(zero.log.all('worker_signalled', { pid }), []);
  assert.deepEqual(zero.log.all('worker_killed', { pid }), []);
  assert.deepEqual(zero.log.all('worker_exited', { pid }), []);
  assert.equal(incumbent.cursor, 0, 'it was sent a signal');
}
