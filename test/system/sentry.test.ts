import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { startIngest } from '../support/ingest.ts';
import { installZero } from '../support/installed.ts';
import { nextReady, type PuppetService, startServing } from '../support/puppet-service.ts';
import { DEADLINE, type Zero } from '../support/zero.ts';

const PASSWORD = 'correct horse battery staple';
const OWN = 'known to the supervisor only';

/** A candidate that prints a secret, and fails. */
async function failingReload({ puppets, reload }: PuppetService): Promise<void> {
  reload();
  const candidate = await puppets.next();
  await candidate.write(2, `cannot log in with ${PASSWORD}\nDATABASE_URL=postgres://u:pw@db\n`);
  await candidate.exit(3);
}

/** The incumbent crashes and is restarted. */
async function crash(
  { puppets, zero }: PuppetService,
  incumbent: { die(signal: NodeJS.Signals): Promise<void> },
): Promise<void> {
  await incumbent.die('SIGKILL');
  await zero.fact('worker_exited', { expected: false, generation: 1 });
  await nextReady(puppets);
}

async function stop(zero: Zero): Promise<void> {
  zero.signal('SIGTERM');
  assert.deepEqual(await zero.exited, { code: 0, signal: null });
}

/** An installed zero without Sentry's SDK. */
function withoutSdk(t: TestContext): readonly [string, string] {
  const { folder, command } = installZero(t);
  rmSync(join(folder, 'dist', 'sentry-client.cjs'));
  return command;
}

describe('Sentry', () => {
  it('receives a failed handover and a crash, and no secret', DEADLINE, async (t) => {
    const ingest = await startIngest(t);
    const service = await startServing(
      t,
      {
        application: { sentry_dsn: ingest.dsn },
        runtime: { name: 'shop', directory: '/' },
        environment: { PASSWORD },
      },
      { environment: { OWN } },
    );
    const { zero, incumbent } = service;

    await failingReload(service);
    const { event, everything } = await ingest.event('HandoverFailed', 'exit: exited with code 3');
    assert.deepEqual(event.tags, { name: 'shop', path: process.execPath, directory: '/' });
    const { duration_ms, ...extra } = event.extra as Record<string, unknown>;
    assert.equal(typeof duration_ms, 'number');
    assert.deepEqual(extra, {
      handover: 2,
      outcome: 'rolled_back',
      step: 'exit',
      reason: 'exited with code 3',
      generation: 2,
      worker: 0,
      exit: 'exit code 3',
      output: ['cannot log in with [redacted]', 'DATABASE_URL=[redacted]'],
    });
    assert.match(everything, new RegExp(`sentry_key=${ingest.key}`));

    await crash(service, incumbent);
    const crashed = await ingest.event('WorkerCrashed', 'killed by SIGKILL');
    assert.equal((crashed.event.extra as Record<string, unknown>).generation, 1);

    await stop(zero);
    const envelopes = ingest.events.map((received) => received.everything).join('\n');
    for (const secret of [PASSWORD, OWN, 'postgres://', process.env.PATH ?? '', hostname()]) {
      assert.ok(!envelopes.includes(secret), `Sentry received ${secret}`);
    }
    assert.ok(!zero.log.text.includes(ingest.key), 'the log has the key');
  });

  it('is not loaded unless it is configured', DEADLINE, async (t) => {
    const service = await startServing(t, {}, { command: withoutSdk(t) });
    await failingReload(service);
    await service.zero.fact('handover_finished', { outcome: 'rolled_back' });
    await crash(service, service.incumbent);
    await stop(service.zero);
    assert.deepEqual(service.zero.log.all('warning'), []);
  });

  it('does not affect zero if it is configured and cannot be loaded', DEADLINE, async (t) => {
    const ingest = await startIngest(t);
    const application = { sentry_dsn: ingest.dsn };
    const service = await startServing(t, { application }, { command: withoutSdk(t) });
    await failingReload(service);
    const { message } = await service.zero.fact('warning', { about: 'sentry' });
    assert.match(message, /^load the Sentry SDK: Cannot find module .*sentry-client/s);
    await crash(service, service.incumbent);
    await stop(service.zero);
    assert.deepEqual(ingest.events, []);
  });
});
