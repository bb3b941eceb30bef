import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { nextReady, startServing } from '../support/puppet-service.ts';
import { answers, sendRequests } from '../support/waiting-request.ts';
import { DEADLINE } from '../support/zero.ts';

const NEVER_BY_ITSELF = { mode: 'auto', settle: '200ms', drain_timeout: '1h' };

describe('a service that announced to drain its own connections', () => {
  it('is asked to stop right after settle, and completes its connections', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: NEVER_BY_ITSELF });
    const { zero, puppets, incumbent } = service;
    await incumbent.notify('X_ZERO_DRAINS=1');
    await incumbent.behave({ hold: true });
    const requests = await sendRequests(t, await zero.address('http'), 3);
    for (let seen = 0; seen < requests.length; seen += 1) await incumbent.event('request', {}, seen);
    service.reload();
    await nextReady(puppets);
    await zero.fact('worker_signalled', { pid: incumbent.pid });
    await incumbent.event('signal', { signal: 'SIGTERM' });
    assert.equal(await incumbent.answer(), requests.length);
    for (const { pid } of await answers(requests)) assert.equal(pid, incumbent.pid);
    await zero.fact('generation_gone', { generation: 1 });
  });
});

describe('a service that withdrew its announcement to drain its own connections', () => {
  it('is asked to stop only when its connections are done', DEADLINE, async (t) => {
    const service = await startServing(t, { handover: { ...NEVER_BY_ITSELF, settle: '1ms' } });
    const { zero, puppets, incumbent } = service;
    await incumbent.notify('X_ZERO_DRAINS=1');
    await incumbent.notify('X_ZERO_DRAINS=0');
    await incumbent.behave({ hold: true });
    const requests = await sendRequests(t, await zero.address('http'), 3);
    for (let seen = 0; seen < requests.length; seen += 1) await incumbent.event('request', {}, seen);
    service.reload();
    await nextReady(puppets);
    await zero.fact('generation_promoted', { generation: 2 });
    // A complete second handover takes longer than `settle`.
    service.reload();
    await nextReady(puppets);
    await zero.fact('generation_promoted', { generation: 3 });
    assert.deepEqual(zero.log.all('worker_signalled', { pid: incumbent.pid }), []);
    assert.equal(await incumbent.answer(), requests.length);
    for (const { pid } of await answers(requests)) assert.equal(pid, incumbent.pid);
    await zero.fact('worker_signalled', { pid: incumbent.pid });
    await zero.fact('generation_gone', { generation: 1 });
  });
});
