import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Command, startCommand } from '../support/command.ts';
import { startLoad } from '../support/load.ts';
import type { LoadResult } from '../support/load-book.ts';
import type { Puppet } from '../support/puppet.ts';
import {
  assertUntouched,
  nextReady,
  type PuppetSections,
  type PuppetService,
  startServing,
  whoAnswers,
} from '../support/puppet-service.ts';
import { parseTarget } from '../support/target.ts';
import type { Scope } from '../support/temporary.ts';
import { sendRequest } from '../support/waiting-request.ts';
import { DEADLINE } from '../support/zero.ts';

const QUICK = { settle: '200ms', drain_timeout: '1s' };
const FROM = '127.77.0.1';

async function generationSeenFrom(scope: Scope, service: PuppetService, from?: string): Promise<number> {
  const request = await sendRequest(scope, await service.zero.address('http'), from);
  return (await request.answer).generation;
}

interface Preview extends PuppetService {
  readonly incumbent: Puppet;
  readonly candidate: Puppet;
  readonly reloading: Command;
}

/** Serves, with a `zero reload --preview` whose candidate is in the preview. */
async function startPreview(scope: Scope, handover: PuppetSections['handover'] = {}): Promise<Preview> {
  const service = await startServing(scope, { handover: { ...QUICK, preview_from: [FROM], ...handover } });
  const reloading = startCommand(scope, service.zero, ['reload', '--preview']);
  const candidate = await nextReady(service.puppets);
  await service.zero.fact('handover_step', { handover: 2, step: 'preview' });
  return { ...service, candidate, reloading };
}

describe('a preview', () => {
  it('is reached only from preview_from until it is promoted', DEADLINE, async (t) => {
    const service = await startPreview(t);
    const { zero, reloading, incumbent } = service;
    assert.equal(await generationSeenFrom(t, service, FROM), 2);
    const load = startLoad(t, { target: await zero.address('http'), clients: 4, count: 200 });
    assert.deepEqual((await load.finished).byGeneration, { 1: 200 });
    for (const other of ['127.77.0.2', '127.0.0.1', '127.1.77.0']) {
      assert.equal(await generationSeenFrom(t, service, other), 1);
    }
    assert.equal(await generationSeenFrom(t, service, FROM), 2);
    await assertUntouched(service, incumbent);
    const promoted = await startCommand(t, zero, ['promote']).finished;
    assert.deepEqual([promoted.code, promoted.stderr], [0, '']);
    const { code, stdout } = await reloading.finished;
    assert.equal(code, 0);
    assert.match(stdout, /^handover 2 promoted after .*: generation 2 serves\n$/);
    assert.equal(await generationSeenFrom(t, service), 2);
    await incumbent.gone;
  });

  it('is rolled back when it is aborted', DEADLINE, async (t) => {
    const service = await startPreview(t);
    const { zero, reloading, candidate, incumbent } = service;
    assert.equal((await startCommand(t, zero, ['abort']).finished).code, 0);
    const { code, stderr } = await reloading.finished;
    assert.equal(code, 12);
    assert.match(stderr, /^handover 2 aborted after .*: generation 1 keeps serving\n/);
    assert.equal(await generationSeenFrom(t, service, FROM), 1);
    await candidate.gone;
    await assertUntouched(service, incumbent);
  });

  it('is rolled back after preview_timeout', DEADLINE, async (t) => {
    const service = await startPreview(t, { preview_timeout: '500ms' });
    const { reloading, candidate, incumbent } = service;
    const { code, stderr } = await reloading.finished;
    assert.equal(code, 12);
    assert.match(stderr, /it was not promoted within preview_timeout/);
    await candidate.gone;
    assert.equal(await generationSeenFrom(t, service, FROM), 1);
    await assertUntouched(service, incumbent);
  });

  it('is promoted when the incumbent dies', DEADLINE, async (t) => {
    const service = await startPreview(t);
    service.incumbent.hangUp();
    const { code } = await service.reloading.finished;
    assert.equal(code, 0);
    assert.equal(await generationSeenFrom(t, service), 2);
  });

  it('is refused if no listener can be steered', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: { ...QUICK, mode: 'shared' } });
    const { code, stderr } = await startCommand(t, service.zero, ['reload', '--preview']).finished;
    assert.equal(code, 1);
    assert.match(stderr, /a preview needs a listener that can be steered/);
    await assertUntouched(service, service.incumbent);
  });
});

/** Six standard deviations of the number of hits: a random failure happens once in half a billion runs. */
function assertShare(hits: number, of: number, share: number): void {
  const tolerance = 6 * Math.sqrt(of * share * (1 - share));
  assert.ok(Math.abs(hits - of * share) < tolerance, `${hits} of ${of} are not ${share * 100} %`);
}

async function startCanary(
  scope: Scope,
  canary: Readonly<Record<string, unknown>>,
  address: string,
): Promise<PuppetService> {
  const service = await startServing(scope, {
    listeners: [{ name: 'http', address }],
    handover: { ...QUICK, canary },
  });
  service.reload();
  await nextReady(service.puppets);
  await service.zero.fact('handover_step', { handover: 2, step: 'canary' });
  return service;
}

describe('a canary', () => {
  const families = [
    { what: 'IPv4', address: '127.0.0.1:0', hosts: ['127.0.0.1'] },
    { what: 'IPv6', address: '[::1]:0', hosts: ['::1'] },
    { what: 'both on one listener', address: '[::]:0', hosts: ['127.0.0.1', '::1'] },
  ];
  for (const { what, address, hosts } of families) {
    it(`gets its share of the connections of ${what}`, DEADLINE, async (t) => {
      const steps = [{ percent: 10, for: '1h' }];
      const service = await startCanary(t, { steps }, address);
      const bound = parseTarget(await service.zero.address('http'));
      assert.ok('port' in bound);
      for (const host of hosts) {
        const result: LoadResult = await startLoad(t, { target: { ...bound, host }, count: 2000 }).finished;
        assert.equal(result.failed, 0);
        assertShare(result.byGeneration[2] ?? 0, 2000, 0.1);
      }
    });
  }

  it('by address keeps each client on one side', DEADLINE, async (t) => {
    const steps = [{ percent: 50, for: '1h' }];
    const service = await startCanary(t, { steps, by: 'address' }, '127.0.0.1:0');
    const clients = Array.from({ length: 100 }, (_, index) => `127.9.${index % 7}.${index + 1}`);
    let chosen = 0;
    for (const client of clients) {
      const seen = await Promise.all([1, 2, 3, 4].map(() => generationSeenFrom(t, service, client)));
      assert.equal(new Set(seen).size, 1, `${client}: ${seen}`);
      if (seen[0] === 2) chosen += 1;
    }
    assertShare(chosen, clients.length, 0.5);
  });

  it('rises step by step, and is promoted after the last step', DEADLINE, async (t) => {
    const steps = [
      { percent: 10, for: '200ms' },
      { percent: 50, for: '200ms' },
    ];
    const service = await startCanary(t, { steps }, '127.0.0.1:0');
    const { zero } = service;
    await zero.fact('handover_finished', { handover: 2, outcome: 'promoted' });
    const shares = zero.log.all('steering_changed').map(({ canary }) => canary);
    assert.deepEqual(shares.slice(-3), [10, 50, null]);
    assert.equal((await whoAnswers(await zero.address('http'))).generation, 2);
  });
});
