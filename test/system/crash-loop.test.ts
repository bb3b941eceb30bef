import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StatusDocument } from '../../src/control/protocol.ts';
import { command, startCommand } from '../support/command.ts';
import { samplesIn } from '../support/exposition.ts';
import { httpGet } from '../support/http-get.ts';
import { becomeReady, nextReady, type PuppetService, startServing } from '../support/puppet-service.ts';
import type { Scope } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';

const SECTIONS = {
  application: { admin: { address: '127.0.0.1:0' } },
  restart: { backoff: { initial: '1h', max: '1h' } },
} as const;

/** Every view of an operator. */
interface Views {
  readonly text: string;
  readonly status: StatusDocument;
  readonly page: string;
  readonly ready: { readonly status: number; readonly body: string };
  readonly states: readonly string[];
}

async function look(scope: Scope, { zero }: PuppetService): Promise<Views> {
  const { address } = await zero.fact('admin_listening');
  const { stdout: text } = await command(scope, zero, 'status');
  const { stdout } = await command(scope, zero, 'status', '--json');
  const status: StatusDocument = JSON.parse(stdout);
  assert.deepEqual(
    JSON.parse((await httpGet(address, '/status')).body).service?.state,
    status.service?.state,
  );
  const samples = samplesIn((await httpGet(address, '/metrics')).body);
  const states = samples.flatMap(({ name, labels, value }) =>
    name === 'zero_service_state' && value === 1 ? [String(labels.state)] : [],
  );
  const ready = await httpGet(address, '/readyz');
  assert.equal((await httpGet(address, '/healthz')).status, 200);
  return { text, status, page: (await httpGet(address, '/')).body, ready, states };
}

describe('zero status of a service that crashed and waits for its restart', () => {
  for (const [how, exit, reason] of [
    ['with an exit code', { kind: 'exited', code: 7 }, 'exited with code 7'],
    ['by a signal', { kind: 'signaled', signal: 'SIGKILL', core_dumped: false }, 'was killed by SIGKILL'],
  ] as const) {
    it(`reports DOWN, the last exit and the next start, in every view: ${how}`, DEADLINE, async (t) => {
      const service = await startServing(t, SECTIONS);
      const { zero, incumbent } = service;
      if (exit.kind === 'exited') await incumbent.exit(exit.code);
      else process.kill(incumbent.pid, 'SIGKILL');
      await zero.fact('worker_restarting', { generation: 1 });
      const { text, status, page, ready, states } = await look(t, service);

      assert.match(
        text,
        /^DOWN: nothing serves: generation 1 waits for its next start\n {2}next start in (1h|59m)/m,
      );
      assert.match(text, new RegExp(`^ {2}last exit .* ago: worker 0 ${reason}$`, 'm'));
      assert.match(text, /^generation 1 {2}DOWN, started /m);
      assert.match(
        text,
        new RegExp(`worker 0 {2}backoff(?: .*)?\\n {4}next start in .*, last exit .* ago: ${reason}\\n`),
      );
      assert.doesNotMatch(text, /serving|serves$/m);

      const { state, last_exit, retry_in_ms } = status.service ?? {};
      assert.deepEqual([state, last_exit?.exit, last_exit?.reason], ['down', exit, reason]);
      assert.ok((retry_in_ms ?? 0) > 3_000_000 && (last_exit?.ms_ago ?? -1) >= 0);
      const [worker] = status.generations[0]?.workers ?? [];
      assert.deepEqual([worker?.state, worker?.last_exit?.exit], ['backoff', exit]);

      assert.match(
        page,
        /<span>Down<\/span><\/h2><p>Nothing serves: generation 1 waits for its next start\./,
      );
      assert.match(page, new RegExp(`Last exit .* ago: worker 0 ${reason}`));
      assert.deepEqual(ready, {
        status: 503,
        body: 'nothing serves: generation 1 waits for its next start\n',
      });
      assert.deepEqual(states, ['down']);
    });
  }

  it(
    'reports the same for the incumbent while a reload tests a candidate, and in its verdict',
    DEADLINE,
    async (t) => {
      const service = await startServing(t, SECTIONS);
      const { zero, puppets, incumbent } = service;
      await incumbent.exit(7);
      await zero.fact('worker_restarting', { generation: 1 });
      const reloading = startCommand(t, zero, ['reload']);
      const candidate = await puppets.next();
      const { text, states } = await look(t, service);
      assert.match(text, /candidate 2, incumbent 1 \(down\), requested by zero reload/);
      assert.deepEqual(states, ['down']);
      await candidate.exit(3);
      const { code, stderr } = await reloading.finished;
      assert.equal(code, 10);
      assert.match(
        stderr,
        /^handover 2 rolled back after .*: nothing serves: generation 1 is started again in /,
      );
    },
  );
});

describe('zero status of a service during its restart', () => {
  it('reports DOWN until the worker has passed its gates', DEADLINE, async (t) => {
    const service = await startServing(t, {
      ...SECTIONS,
      restart: { backoff: { initial: '10ms', factor: 1 } },
    });
    const { zero, puppets, incumbent } = service;
    await incumbent.exit(7);
    const next = await puppets.next();
    const { text, status, ready, states } = await look(t, service);
    assert.match(text, /^DOWN: nothing serves: generation 1 is being started again$/m);
    assert.match(text, /worker 0 {2}not ready /);
    assert.deepEqual([status.service?.retry_in_ms, ready.status, states], [0, 503, ['down']]);
    await next.listen({ name: 'http' });
    const { cursor } = zero;
    await becomeReady(next);
    await zero.fact('worker_ready', { generation: 1 }, cursor);
    const after = await look(t, service);
    assert.match(after.text, /^generation 1 {2}serving for /m);
    assert.doesNotMatch(after.text, /DOWN|next start/);
    assert.deepEqual([after.ready.status, after.states], [200, ['up']]);
  });
});

describe('zero status of a service with one of two workers in backoff', () => {
  it('reports degraded, and is ready', DEADLINE, async (t) => {
    const service = await startServing(t, { ...SECTIONS, runtime: { workers: 1 } });
    service.rewrite({ ...SECTIONS, runtime: { workers: 2 } });
    service.reload();
    const [one] = await Promise.all([nextReady(service.puppets), nextReady(service.puppets)]);
    await service.zero.fact('generation_promoted', { generation: 2 });
    await one.exit(7);
    await service.zero.fact('worker_restarting', { generation: 2 });
    const { text, status, page, ready, states } = await look(t, service);
    assert.match(text, /^degraded: 1 of 2 workers of generation 2 serve\n {2}next start in /m);
    assert.match(text, /^generation 2 {2}serving for /m);
    assert.deepEqual([status.service?.workers_serving, ready.status, states], [1, 200, ['degraded']]);
    assert.match(page, /<span>Degraded<\/span><\/h2><p>1 of 2 workers of generation 2 serve/);
  });
});
