import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { chmodSync, chownSync, lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { complaints } from '../support/complaints.ts';
import { ZERO_COMMAND } from '../support/paths.ts';
import { account, asAccount, IS_ROOT, sharedFolder } from '../support/privileges.ts';
import {
  assertUntouched,
  nextReady,
  startPuppetService,
  startServing,
  whoAnswers,
} from '../support/puppet-service.ts';
import { killWithKeeper } from '../support/survivor.ts';
import { type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero } from '../support/zero.ts';

/** This test holds the addresses. A command is reported up to its first option. */
const BY_THIS_TEST = `by pid ${process.pid} \\(.*node.*\\)$`;

async function holdTcp(scope: Scope, where: object): Promise<string> {
  const server = createServer();
  scope.after(() => void server.close());
  server.listen(where);
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'string' ? address : `127.0.0.1:${(address as AddressInfo).port}`;
}

async function holdUdp(scope: Scope): Promise<string> {
  const socket = createSocket('udp4');
  scope.after(() => void socket.close());
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return `udp:127.0.0.1:${socket.address().port}`;
}

interface Conflict {
  readonly what: string;
  /** Creates the conflict. Returns the address of the listener that cannot be bound. */
  readonly make: (scope: Scope, folder: string) => Promise<string> | string;
  readonly reason: RegExp;
}

const CONFLICTS: readonly Conflict[] = [
  {
    what: 'a TCP port that another program holds',
    make: (scope) => holdTcp(scope, { host: '127.0.0.1', port: 0 }),
    reason: new RegExp(`^bind tcp 127\\.0\\.0\\.1:\\d+: EADDRINUSE: the port is held ${BY_THIS_TEST}`),
  },
  {
    what: 'a TCP port that another program holds on every address',
    make: (scope) => holdTcp(scope, { host: '0.0.0.0', port: 0 }),
    reason: new RegExp(`^bind tcp 127\\.0\\.0\\.1:\\d+: EADDRINUSE: the port is held ${BY_THIS_TEST}`),
  },
  {
    what: 'a UDP port that another program holds',
    make: holdUdp,
    reason: new RegExp(`^bind udp 127\\.0\\.0\\.1:\\d+: EADDRINUSE: the port is held ${BY_THIS_TEST}`),
  },
  {
    what: 'the path of a live Unix socket',
    make: async (scope, folder) => `unix:${await holdTcp(scope, { path: join(folder, 'live') })}`,
    reason: new RegExp(`^bind unix /.*/live: the path is held ${BY_THIS_TEST}`),
  },
  {
    what: 'the path of a file that is not a socket',
    make(_, folder) {
      writeFileSync(join(folder, 'file'), 'precious');
      return `unix:${join(folder, 'file')}`;
    },
    reason:
      /^bind unix \/.*\/file: a file that is not a socket exists there\. Remove it or choose another path$/,
  },
  {
    what: 'a path in a directory that does not exist',
    make: (_, folder) => `unix:${join(folder, 'missing', 'sock')}`,
    reason: /^bind unix .*: ENOENT: the directory \/.*\/missing does not exist/,
  },
  {
    what: 'an address that this machine does not have',
    // TEST-NET-1 (RFC 5737).
    make: () => '192.0.2.1:0',
    reason: /^bind tcp 192\.0\.2\.1:0: EADDRNOTAVAIL: this machine does not have the address/,
  },
];

describe('zero exits with 1 and one error if a listener needs', () => {
  for (const { what, make, reason } of CONFLICTS) {
    it(what, DEADLINE, async (t) => {
      const listeners = [
        { name: 'good', address: '127.0.0.1:0' },
        { name: 'bad', address: await make(t, temporaryFolder(t)) },
      ];
      const zero = startZero(t, { config: { service: { listeners, runtime: { path: '/bin/true' } } } });
      assert.deepEqual(await zero.exited, { code: 1, signal: null });
      const { failure } = await zero.fact('handover_finished', { outcome: 'failed' });
      assert.equal(failure?.step, 'listener.bad');
      assert.match(failure?.reason ?? '', reason);
      assert.deepEqual(
        complaints(zero).map(({ event }) => event),
        ['handover_finished', 'supervisor_stopped'],
      );
      assert.deepEqual(zero.log.all('worker_spawned'), []);
    });
  }

  it('a low port, and zero runs as an ordinary user', DEADLINE, async (t) => {
    const first = Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'latin1'));
    if (first <= 81)
      return t.skip(`every user may listen on port 81 here: ip_unprivileged_port_start is ${first}`);
    const folder = sharedFolder(t);
    const nobody = account('nobody');
    if (IS_ROOT) chownSync(folder, nobody.uid, nobody.gid);
    const zero = startZero(t, {
      folder,
      ...(IS_ROOT && { command: [...asAccount(nobody), ...ZERO_COMMAND] }),
      config: {
        service: { listeners: [{ name: 'low', address: '127.0.0.1:81' }], runtime: { path: '/bin/true' } },
      },
    });
    assert.deepEqual(await zero.exited, { code: 1, signal: null });
    const { failure } = await zero.fact('handover_finished');
    assert.match(
      failure?.reason ?? '',
      /^bind tcp 127\.0\.0\.1:81: EACCES: ports below 1024 need root or CAP_NET_BIND_SERVICE\. Start as root with runtime\.user set, /,
    );
  });
});

describe('a reload fails with one error, and the incumbent keeps serving, if a new listener needs', () => {
  for (const { what, make, reason } of CONFLICTS) {
    it(what, DEADLINE, async (t) => {
      const service = await startServing(t);
      const { zero, incumbent } = service;
      service.rewrite({
        listeners: [
          { name: 'http', address: '127.0.0.1:0' },
          { name: 'good', address: '127.0.0.1:0' },
          { name: 'bad', address: await make(t, temporaryFolder(t)) },
        ],
      });
      const from = service.reload();
      const { failure, outcome } = await zero.fact('handover_finished', {}, from);
      assert.deepEqual([outcome, failure?.step], ['failed', 'listener.bad']);
      assert.match(failure?.reason ?? '', reason);
      assert.equal(complaints(zero, ['warn', 'error'], from).length, 1);
      assert.deepEqual(zero.log.all('worker_spawned', {}, from), []);
      await assertUntouched(service, incumbent);
      service.rewrite({});
      service.reload();
      await nextReady(service.puppets);
      await zero.fact('handover_finished', { outcome: 'promoted' }, from);
    });
  }
});

describe('a file at the path of a listener', () => {
  it('is kept', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const file = join(folder, 'file');
    writeFileSync(file, 'precious');
    const path = await holdTcp(t, { path: join(folder, 'live') });
    for (const address of [`unix:${file}`, `unix:${path}`]) {
      const zero = startZero(t, {
        config: { service: { listeners: [{ name: 'bad', address }], runtime: { path: '/bin/true' } } },
      });
      assert.deepEqual(await zero.exited, { code: 1, signal: null });
    }
    assert.equal(readFileSync(file, 'utf8'), 'precious');
    const client = connect(path);
    await once(client, 'connect');
    client.destroy();
  });

  it('is replaced if it is the socket of an exited program', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const path = join(folder, 'sock');
    const listeners = [{ name: 'http', address: `unix:${path}`, mode: '0640' }];
    const killed = await startPuppetService(t, { listeners });
    const puppet = await nextReady(killed.puppets);
    await killed.zero.fact('generation_promoted');
    await killWithKeeper(killed.zero);
    puppet.hangUp();
    await puppet.gone;
    chmodSync(path, 0o600);
    const next = await startServing(t, { listeners });
    assert.equal(lstatSync(path).mode & 0o777, 0o640);
    assert.equal((await whoAnswers(path)).pid, next.incumbent.pid);
    next.zero.signal('SIGTERM');
    assert.deepEqual(await next.zero.exited, { code: 0, signal: null });
    assert.equal(lstatSync(path, { throwIfNoEntry: false }), undefined);
  });
});
