import assert from 'node:assert/strict';
import { constants, existsSync, lstatSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startReporter, variablesOf } from '../support/reporter-service.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, type Zero } from '../support/zero.ts';

const { O_NONBLOCK } = constants;
const HAS_IPV6 =
  existsSync('/proc/net/if_inet6') && /\blo$/m.test(readFileSync('/proc/net/if_inet6', 'latin1'));

async function portOf(zero: Zero, listener: string): Promise<string> {
  return (await zero.address(listener)).replace(/^.*:/, '');
}

describe('the conventions', () => {
  it('all contain the same sockets, each in its own format', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const path = join(folder, 'app.sock');
    const { zero, report } = await startReporter(t, {
      folder,
      listeners: [
        { name: 'local', address: '127.0.0.1:0' },
        { name: 'wild', address: 'tcp4::0' },
        { name: 'path', address: `unix:${path}` },
        ...(HAS_IPV6 ? [{ name: 'six', address: '[::1]:0' }] : []),
      ],
    });
    const [local, wild] = [await portOf(zero, 'local'), await portOf(zero, 'wild')];
    const six = HAS_IPV6 ? await portOf(zero, 'six') : '';
    const variables = Object.fromEntries(variablesOf(report));
    const { pid, ppid } = report.announcement;
    const count = HAS_IPV6 ? '4' : '3';

    assert.equal(variables.LISTEN_FDS, count);
    assert.equal(variables.LISTEN_PID, String(pid));
    assert.equal(variables.LISTEN_FDNAMES, HAS_IPV6 ? 'local:wild:path:six' : 'local:wild:path');

    const ports = [`127.0.0.1:${local}=3`, `${wild}=4`, `${path}=5`, ...(HAS_IPV6 ? [`[::1]:${six}=6`] : [])];
    assert.equal(variables.SERVER_STARTER_PORT, ports.join(';'));
    assert.equal(variables.SERVER_STARTER_GENERATION, '1');

    assert.equal(variables.EINHORN_FD_COUNT, count);
    assert.deepEqual(
      [variables.EINHORN_FD_0, variables.EINHORN_FD_1, variables.EINHORN_FD_2],
      ['3', '4', '5'],
    );
    assert.equal(variables.EINHORN_FD_3, HAS_IPV6 ? '6' : undefined);
    assert.equal(variables.EINHORN_MASTER_PID, String(ppid));

    assert.deepEqual(JSON.parse(variables.ZERO_LISTENERS ?? ''), [
      { name: 'local', fd: 3, address: `127.0.0.1:${local}` },
      { name: 'wild', fd: 4, address: `0.0.0.0:${wild}` },
      { name: 'path', fd: 5, address: path },
      ...(HAS_IPV6 ? [{ name: 'six', fd: 6, address: `[::1]:${six}` }] : []),
    ]);
    assert.equal(variables.ZERO_GENERATION, '1');
    assert.equal(variables.ZERO_WORKER, '0');
    assert.equal(variables.ZERO_SHUTDOWN_SIGNAL, 'SIGTERM');
    assert.equal(variables.ZERO_SHUTDOWN_TIMEOUT_MS, '30000');

    assert.ok(lstatSync(variables.NOTIFY_SOCKET ?? '').isSocket());
    assert.equal(variables.NGINX, undefined);
    assert.equal(variables.FPM_SOCKETS, undefined);
  });

  it('count generations, and give each its own notify socket', DEADLINE, async (t) => {
    const service = await startReporter(t);
    const first = variablesOf(service.report);
    const report = await service.reload();
    const second = variablesOf(report);
    assert.equal(second.get('SERVER_STARTER_GENERATION'), '2');
    assert.equal(second.get('ZERO_GENERATION'), '2');
    assert.equal(second.get('LISTEN_PID'), String(report.pid));
    assert.equal(second.get('SERVER_STARTER_PORT'), first.get('SERVER_STARTER_PORT'));
    assert.notEqual(second.get('NOTIFY_SOCKET'), first.get('NOTIFY_SOCKET'));
    await service.zero.fact('generation_gone', { generation: 1 });
    assert.equal(existsSync(first.get('NOTIFY_SOCKET') ?? ''), false);
    assert.equal(existsSync(second.get('NOTIFY_SOCKET') ?? ''), true);
  });

  it('of systemd are omitted with one warning if the numbers have a gap', DEADLINE, async (t) => {
    const service = await startReporter(t, {
      listeners: [
        { name: 'a', address: '127.0.0.1:0', socket_fd: 3 },
        { name: 'b', address: '127.0.0.1:0', socket_fd: 5 },
      ],
    });
    const variables = variablesOf(service.report);
    const names = [...variables.keys()];
    assert.deepEqual(
      names.filter((name) => name.startsWith('LISTEN_')),
      [],
    );
    assert.match(variables.get('SERVER_STARTER_PORT') ?? '', /^127\.0\.0\.1:\d+=3;127\.0\.0\.1:\d+=5$/);
    await service.reload();
    const { zero } = service;
    await zero.fact('generation_gone', { generation: 1 });
    const [warning, ...more] = zero.log.all('warning');
    assert.match(warning?.message ?? '', /LISTEN_FDS is left out: .* 3, 5$/);
    assert.deepEqual(more, []);
  });

  it('of nginx and php-fpm are set on request, and then others are not', DEADLINE, async (t) => {
    const folder = temporaryFolder(t);
    const path = join(folder, 'fpm.sock');
    const { zero, report } = await startReporter(t, {
      folder,
      listeners: [
        { name: 'local', address: '127.0.0.1:0', socket_fd: 6 },
        { name: 'wild', address: 'tcp4::0', socket_fd: 7 },
        { name: 'path', address: `unix:${path}`, socket_fd: 9 },
      ],
      runtime: { protocols: ['nginx', 'fpm'] },
    });
    const variables = variablesOf(report);
    const [local, wild] = [await portOf(zero, 'local'), await portOf(zero, 'wild')];
    assert.equal(variables.get('NGINX'), '6;7;9;');
    assert.equal(variables.get('FPM_SOCKETS'), `127.0.0.1:${local}=6,0.0.0.0:${wild}=7,${path}=9`);
    const others = [...variables.keys()].filter((name) => /^(LISTEN|SERVER_STARTER|EINHORN)_/.test(name));
    assert.deepEqual(others, []);
    // Every service gets the variables of zero.
    assert.ok(variables.has('ZERO_LISTENERS') && !variables.has('NOTIFY_SOCKET'));
    assert.deepEqual(zero.log.all('warning'), []);
  });

  for (const [protocol, flag] of [
    ['systemd', 0],
    ['nginx', O_NONBLOCK],
  ] as const) {
    it(
      `of ${protocol} get a socket ${flag === 0 ? 'that blocks' : 'that does not block'}`,
      DEADLINE,
      async (t) => {
        const { report } = await startReporter(t, {
          listeners: [{ name: 'http', address: '127.0.0.1:0' }],
          runtime: { protocols: [protocol] },
        });
        const info = readFileSync(`/proc/${report.pid}/fdinfo/3`, 'utf8');
        const flags = Number.parseInt(/^flags:\s+(\d+)$/m.exec(info)?.[1] ?? '', 8);
        assert.equal(flags & O_NONBLOCK, flag);
      },
    );
  }

  it('do not override the config', DEADLINE, async (t) => {
    const own = { LISTEN_FDNAMES: 'x', ZERO_GENERATION: 'y', NGINX: 'z;' };
    const variables = Object.entries(own).map(([key, value]) => ({ key, value }));
    const { report } = await startReporter(t, { variables });
    for (const [name, value] of Object.entries(own)) assert.equal(variablesOf(report).get(name), value);
  });
});
