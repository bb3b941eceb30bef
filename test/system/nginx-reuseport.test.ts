// nginx with `listen ... reuseport` opens its own sockets on the address of its listener.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { requireProgram } from '../support/debian.ts';
import { freeAddress } from '../support/free-address.ts';
import { generationInBody, startLoad } from '../support/load.ts';
import { nginxRecipe } from '../support/nginx.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero, type Zero } from '../support/zero.ts';

const DEPLOYS = 5;
const REASON =
  /^it opened a socket of its own on the address of listener http instead of using its descriptor\. .*nginx: remove "reuseport" from "listen"/;

interface Site {
  readonly zero: Zero;
  readonly address: string;
  /** Writes the nginx.conf of the next generation. */
  write(name: string, options: string): void;
}

/** The recipe of the guide with two worker processes; null if nginx is missing. */
async function startNginx(t: TestContext, options: string): Promise<Site | null> {
  const program = requireProgram(t, 'nginx', 'nginx-light');
  if (program === null) return null;
  const folder = temporaryFolder(t);
  const address = await freeAddress();
  const { service, conf } = nginxRecipe(program, folder, address);
  const write = (name: string, listenOptions: string): void => {
    const text = conf({ generation: name }).replace(
      `listen ${address};`,
      `listen ${address}${listenOptions};`,
    );
    writeFileSync(join(folder, 'nginx.conf'), `worker_processes 2;\n${text}`);
  };
  write('first', options);
  const config = { service: { ...service, handover: { mode: 'auto' } } };
  return { zero: startZero(t, { folder, config }), address, write };
}

/** Runs clients during `act`. No request may fail. Returns the versions that answered. */
async function whileClientsAsk(
  t: TestContext,
  address: string,
  kinds: readonly ('short' | 'keep-alive')[],
  act: () => Promise<void>,
): Promise<string[]> {
  const loads = kinds.map((connections) =>
    startLoad(t, { target: address, clients: 4, connections, generationOf: generationInBody }),
  );
  for (const load of loads) await load.whenPhaseHas(50);
  await act();
  for (const load of loads) {
    load.phase('after');
    await load.whenPhaseHas(50);
  }
  const results = await Promise.all(loads.map((load) => load.stop()));
  for (const { failures } of results) assert.deepEqual(failures, {});
  return [...new Set(results.flatMap(({ byGeneration }) => Object.keys(byGeneration)))];
}

/** One deploy that zero refuses, because its nginx opens its own sockets. */
async function deployRefused({ zero }: Site, generation: number): Promise<void> {
  zero.signal('SIGHUP');
  const { outcome, incumbent, failure } = await zero.fact('handover_finished', { generation });
  assert.deepEqual([outcome, incumbent, failure?.step], ['rolled_back', 1, 'readiness.accept']);
  assert.match(failure?.reason ?? '', REASON);
  await zero.fact('generation_gone', { generation });
}

describe('nginx with reuseport', () => {
  it('is rolled back in a deploy with the required change, and no client notices', DEADLINE, async (t) => {
    const site = await startNginx(t, '');
    if (site === null) return;
    const { zero, address, write } = site;
    await zero.fact('generation_promoted', { generation: 1 });
    write('second', ' reuseport');
    const answered = await whileClientsAsk(t, address, ['short', 'keep-alive'], async () => {
      for (let generation = 2; generation <= DEPLOYS + 1; generation += 1)
        await deployRefused(site, generation);
    });
    assert.deepEqual(answered, ['first']);
    assert.deepEqual(zero.log.all('generation_retiring', { generation: 1 }), []);
  });

  it('serves as the first release until the deploy of a corrected one', DEADLINE, async (t) => {
    const site = await startNginx(t, ' reuseport');
    if (site === null) return;
    const { zero, address, write } = site;
    const { failure } = await zero.fact('handover_finished', { generation: 1 });
    assert.match(failure?.reason ?? '', REASON);
    const refused = await whileClientsAsk(t, address, ['short', 'keep-alive'], async () => {
      for (let generation = 2; generation <= 3; generation += 1) await deployRefused(site, generation);
    });
    assert.deepEqual(refused, ['first']);
    assert.deepEqual(zero.log.all('worker_signalled', { generation: 1 }), []);
    write('corrected', '');
    // nginx closes idle keep-alive connections on SIGQUIT, so only short ones lose nothing.
    const promoted = await whileClientsAsk(t, address, ['short'], async () => {
      zero.signal('SIGHUP');
      const { outcome } = await zero.fact('handover_finished', { generation: 4 });
      assert.equal(outcome, 'promoted');
      await zero.fact('generation_gone', { generation: 1 });
    });
    assert.deepEqual(promoted.sort(), ['corrected', 'first']);
    assert.equal(zero.log.all('worker_spawned').length, 4);
  });
});
