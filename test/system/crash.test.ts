import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startNaiveManager } from '../support/killandrestart.ts';
import { startLoad } from '../support/load.ts';
import { fixture } from '../support/paths.ts';
import {
  becomeReady,
  nextReady,
  startPuppetService,
  startServing,
  whoAnswers,
} from '../support/puppet-service.ts';
import { parseTarget } from '../support/target.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero } from '../support/zero.ts';
import { environmentList } from '../support/zero-config.ts';

const KILLS = 20;
// For a service without zero, which loses requests in each kill.
const CONTROL_KILLS = 5;
const CLIENTS = 8;

const transports = [
  { name: 'TCP', address: () => '127.0.0.1:0' },
  { name: 'Unix', address: (folder: string) => `unix:${join(folder, 'sock')}` },
];

for (const { name, address } of transports) {
  it(
    `a service on ${name} killed ${KILLS} times under load refuses no client and keeps no client waiting`,
    DEADLINE,
    async (t) => {
      const zero = startZero(t, {
        config: {
          service: {
            listeners: [{ name: 'http', address: address(temporaryFolder(t)) }],
            runtime: {
              path: process.execPath,
              args: [fixture('graceful.js')],
              environment: environmentList({}),
            },
            options: { reload_uptime: '0s' },
            restart: { backoff: { initial: '10ms', factor: 1 } },
          },
        },
      });
      let { pid } = await zero.fact('worker_spawned', { generation: 1 });
      const load = startLoad(t, { target: await zero.address('http'), clients: CLIENTS });
      for (let kill = 1; kill <= KILLS; kill += 1) {
        load.phase(`before kill ${kill}`);
        await load.whenPhaseHas(50);
        const { cursor } = zero;
        load.phase(`kill ${kill}`);
        process.kill(pid, 'SIGKILL');
        const { exit } = await zero.fact('worker_exited', { pid });
        assert.deepEqual(exit, { kind: 'signaled', signal: 'SIGKILL', coreDumped: false });
        pid = (await zero.fact('worker_spawned', { generation: 1 }, cursor)).pid;
      }
      load.phase('after');
      await load.whenPhaseHas(100);
      const result = await load.stop();
      // Accepted requests of a killed process are reset: at most one of each client in each kill. No other request may
      // be lost.
      const cutOff = ['reset_before_byte', 'reset_mid_response', 'eof_before_response', 'eof_mid_response'];
      for (const loss of result.losses) assert.ok(cutOff.includes(loss.name), JSON.stringify(loss));
      assert.ok(result.failed <= KILLS * CLIENTS, `${result.failed} requests were cut off`);
      for (const { phase, failures } of result.phases)
        assert.ok(phase.includes('kill') || Object.keys(failures).length === 0, `lost in phase ${phase}`);
      assert.equal(zero.log.all('worker_restarting').length, KILLS);
      zero.signal('SIGTERM');
      assert.deepEqual(await zero.exited, { code: 0, signal: null });
    },
  );
}

it('a service without zero refuses connections when it is killed', DEADLINE, async (t) => {
  const manager = await startNaiveManager(t);
  const load = startLoad(t, { target: manager.address, clients: CLIENTS });
  for (let kill = 1; kill <= CONTROL_KILLS; kill += 1) {
    load.phase(`before kill ${kill}`);
    await load.whenPhaseHas(50);
    load.phase(`kill ${kill}`);
    await manager.restart('SIGKILL');
  }
  const { failures } = await load.stop();
  await manager.stop();
  assert.ok((failures.refused ?? 0) >= CONTROL_KILLS, JSON.stringify(failures));
});

describe('a crashed worker', () => {
  it('is replaced on the same socket, and its waiting clients are served', DEADLINE, async (t) => {
    const { zero, puppets, incumbent } = await startServing(t);
    const address = await zero.address('http');
    await incumbent.die('SIGSEGV');
    const { exit, expected } = await zero.fact('worker_exited', { pid: incumbent.pid });
    assert.equal(exit.kind, 'signaled');
    assert.equal(expected, false);
    // No process listens at this moment: the connection waits in the queue.
    const answer = whoAnswers(address);
    const successor = await nextReady(puppets);
    assert.deepEqual(await answer, { generation: 1, pid: successor.pid });
    assert.deepEqual(zero.log.all('listener_closed'), []);
  });

  it(
    'is restarted with growing delays, and immediately after it had run for reset_after',
    DEADLINE,
    async (t) => {
      const { zero, puppets } = await startPuppetService(t, {
        // The service becomes ready after reset_after, so the test need not measure time.
        options: { reload_uptime: '2s' },
        restart: { backoff: { initial: '20ms', factor: 3, max: '100ms', reset_after: '2s' } },
      });
      for (let crash = 1; crash <= 4; crash += 1) await (await puppets.next()).die('SIGKILL');
      const last = await nextReady(puppets);
      await zero.fact('worker_ready');
      await last.die('SIGKILL');
      await puppets.next();
      const restarts = zero.log.all('worker_restarting').map(({ delay, attempt }) => ({ delay, attempt }));
      assert.deepEqual(restarts, [
        { delay: 20, attempt: 1 },
        { delay: 60, attempt: 2 },
        { delay: 100, attempt: 3 },
        { delay: 100, attempt: 4 },
        { delay: 0, attempt: 0 },
      ]);
    },
  );

  it('leaves the configured backlog of its listener', DEADLINE, async (t) => {
    const listeners = [{ name: 'http', address: `unix:${join(temporaryFolder(t), 'sock')}`, backlog: 3 }];
    const { zero, puppets, incumbent } = await startServing(t, { listeners });
    const address = await zero.address('http');
    await incumbent.hang('stopped');
    const waiting = await fillQueue(t, address);
    assert.ok(waiting.length <= 4, `${waiting.length} connections for a backlog of 3`);
    process.kill(incumbent.pid, 'SIGKILL');
    const successor = await puppets.next();
    // Node listens with its own backlog, 511.
    await successor.listen({ name: 'http' });
    // Connections are accepted in order: when the last one is answered the queue is empty.
    const last = waiting.at(-1);
    assert.ok(last);
    last.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(last, 'data');
    const { cursor } = zero;
    await becomeReady(successor);
    await zero.fact('worker_ready', {}, cursor);
    await successor.hang('stopped');
    assert.equal((await fillQueue(t, address)).length, waiting.length);
  });
});

/**
 * Fills the queue of a listener that no process accepts from. A Unix listener refuses the next connection with EAGAIN
 * (unix(7)).
 */
async function fillQueue(scope: Scope, address: string): Promise<Socket[]> {
  const waiting: Socket[] = [];
  for (;;) {
    const socket = connect({ ...parseTarget(address) });
    scope.after(() => {
      socket.destroy();
    });
    const error = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
      socket.once('connect', () => resolve(null));
      socket.once('error', resolve);
    });
    if (error !== null) {
      assert.equal(error.code, 'EAGAIN');
      return waiting;
    }
    waiting.push(socket);
  }
}
