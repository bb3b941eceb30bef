import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { command, startCommand } from '../support/command.ts';
import { HttpConnection } from '../support/http-connection.ts';
import { assertUntouched, nextReady, startServing } from '../support/puppet-service.ts';
import { get, rawControl } from '../support/raw-control.ts';
import { parseTarget } from '../support/target.ts';
import { DEADLINE } from '../support/zero.ts';

const QUICK = { settle: '200ms', drain_timeout: '1s' };
const LAST_ID = /id: (\S+)\n\n/;

describe('the stream of events', () => {
  it('reports events, and resumes at the position of a reader', DEADLINE, async (t) => {
    const { zero, puppets } = await startServing(t, { handover: QUICK });
    await command(t, zero, 'status');
    const first = await rawControl(t, zero, get('/v1/events'));
    const [, begin] = await first.until(LAST_ID);
    assert.match(first.text, /^HTTP\/1\.1 200 OK\r\n(.*\r\n)*Content-Type: text\/event-stream\r\n/);
    first.socket.destroy();
    const reloading = startCommand(t, zero, ['reload']);
    await nextReady(puppets);
    assert.equal((await reloading.finished).code, 0);
    const resumed = await rawControl(t, zero, get('/v1/events', `Last-Event-ID: ${begin}`));
    await resumed.until(/"event":"handover_finished"/);
    const events = [...resumed.text.matchAll(/"event":"(\w+)"/g)].map(([, event]) => event);
    assert.equal(events[0], 'reload_requested');
    assert.ok(!resumed.text.includes('event: gap'));
    assert.equal((await command(t, zero, 'stop')).code, 0);
    // The last event, and a normal end.
    assert.match(await resumed.answer, /"event":"supervisor_stopped".*\r\n0\r\n\r\n$/s);
  });

  it(
    'tells a reader of another supervisor that events are missing, and refuses an invalid id',
    DEADLINE,
    async (t) => {
      const service = await startServing(t, { handover: QUICK });
      const { zero, incumbent } = service;
      await command(t, zero, 'status');
      const old = await rawControl(t, zero, get('/v1/events', 'Last-Event-ID: k3x-1a.77'));
      await old.until(/event: gap\nid: \S+\ndata: \{"missed":null\}\n\n.*"event":"supervisor_started"/s);
      for (const nonsense of ['x', '-1', '%00', 'k3x-1a.', 'k3x-1a.1e9', 'x'.repeat(4000)]) {
        const { answer } = await rawControl(t, zero, get('/v1/events', `Last-Event-ID: ${nonsense}`));
        assert.match(await answer, /^HTTP\/1\.1 400 .*"field":"last_event_id"/s, nonsense);
      }
      await assertUntouched(service, incumbent);
    },
  );

  it(
    'leaves connections for commands, with any number of followers and silent clients',
    DEADLINE,
    async (t) => {
      const service = await startServing(t, { handover: QUICK });
      const { zero, incumbent, puppets } = service;
      await command(t, zero, 'status');
      const followers = [];
      for (let count = 0; count < 32; count += 1) {
        const follower = await rawControl(
          t,
          zero,
          get(count % 2 === 0 ? '/v1/events' : '/v1/logs?follow=true'),
        );
        await follower.until(/200 OK/);
        // This client never reads again.
        follower.socket.pause();
        followers.push(follower);
      }
      const { answer } = await rawControl(t, zero, get('/v1/events'));
      assert.match(await answer, /^HTTP\/1\.1 503 .*"overloaded"/s);
      for (let count = 0; count < 1000; count += 1) {
        await rawControl(t, zero, count % 2 === 0 ? '' : 'GET /v1/');
        // Connections are accepted in order: after this answer the queue of the socket is empty.
        if (count % 100 === 0) await (await rawControl(t, zero, get('/v1/status'))).answer;
      }
      for (let count = 0; count < 200; count += 1) await incumbent.write(1, `${'z'.repeat(1000)}\n`);
      const reloading = startCommand(t, zero, ['reload']);
      const second = await nextReady(puppets);
      assert.equal((await reloading.finished).code, 0);
      assert.equal((await command(t, zero, 'status')).code, 0);
      followers[0]?.socket.destroy();
      await assertUntouched(service, second);
    },
  );
});

describe('open connections', () => {
  it('are counted by generation', DEADLINE, async (t) => {
    // The old generation is not asked to stop before the end of `settle`.
    const { zero, puppets } = await startServing(t, { handover: { mode: 'steered', settle: '1h' } });
    const address = parseTarget(await zero.address('http'));
    const connect = async () => {
      const connection = new HttpConnection(address);
      t.after(() => connection.close());
      await connection.exchange('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n', 10_000);
    };
    const counts = async () => {
      const { generations } = JSON.parse((await command(t, zero, 'status', '--json')).stdout);
      return generations.map(({ id, connections }: { id: number; connections: number }) => [id, connections]);
    };
    for (let count = 0; count < 5; count += 1) await connect();
    assert.deepEqual(await counts(), [[1, 5]]);
    assert.equal((await command(t, zero, 'reload', '--preview', '--no-wait')).code, 13);
    await nextReady(puppets);
    await zero.fact('handover_step', { step: 'preview' });
    assert.deepEqual(await counts(), [
      [1, 5],
      [2, 0],
    ]);
    assert.equal((await command(t, zero, 'promote')).code, 0);
    await zero.fact('handover_finished', { handover: 2, outcome: 'promoted' });
    for (let count = 0; count < 3; count += 1) await connect();
    assert.deepEqual(await counts(), [
      [1, 5],
      [2, 3],
    ]);
  });
});
