import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Inspected } from '../../../../src/service/platform/platform.ts';
import { permissionProblem } from '../../../../src/service/register/permission.ts';
import { limitsOf, readSpecification } from '../../../../src/service/register/specification.ts';

const SELF = { pid: 100, ppid: 99 };
const SYSTEMD = { LISTEN_PID: '100', LISTEN_FDS: '1' };
const ZERO = { ZERO_LISTENERS: '[{"name":"http","fd":3,"address":"127.0.0.1:80"}]', ZERO_GENERATION: '1' };
const LISTENING: Inspected = {
  socket: { type: 'stream', place: { family: 'ip', host: '::', port: 80 } },
};

const read = (environment: Record<string, string>, seen: Inspected = LISTENING) =>
  readSpecification(environment, SELF, () => seen);

describe('the specification of an unchanged program', () => {
  it('has its sockets with their addresses', () => {
    assert.deepEqual(read(SYSTEMD)?.claims, [{ fd: 3, name: null, address: '[::]:80', from: 'systemd' }]);
    assert.deepEqual(read({ ...SYSTEMD, ...ZERO })?.claims, [
      { fd: 3, name: 'http', address: '127.0.0.1:80', from: 'zero' },
    ]);
  });

  it('is empty if the variables are meant for another process, or there are no such sockets', () => {
    assert.equal(read({}), null);
    assert.equal(read({ ...SYSTEMD, ...ZERO, LISTEN_PID: '1' }), null);
    assert.equal(read({ ...ZERO }, { problem: 'is not open' }), null);
    const udp = { type: 'datagram', place: { family: 'ip', host: '::', port: 80 } } as const;
    assert.equal(read(SYSTEMD, { socket: udp }), null);
  });

  it('has the signal and the time to stop', () => {
    const leaving = (environment: Record<string, string>) => {
      const found = read(environment);
      return [...(found?.signals ?? []), found?.drainTimeout];
    };
    assert.deepEqual(leaving(SYSTEMD), ['SIGTERM', 25_000]);
    const zero = (timeout: string) =>
      leaving({ ...ZERO, ZERO_SHUTDOWN_SIGNAL: 'SIGQUIT', ZERO_SHUTDOWN_TIMEOUT_MS: timeout });
    assert.deepEqual(zero('30000'), ['SIGQUIT', 28_000]);
    assert.deepEqual(zero('2000'), ['SIGQUIT', 1_500]);
    assert.deepEqual(zero('0'), ['SIGQUIT', 2 ** 31 - 1]);
    assert.deepEqual(zero('soon'), ['SIGQUIT', 25_000]);
    const einhorn = { EINHORN_FD_COUNT: '1', EINHORN_FD_0: '3', EINHORN_MASTER_PID: '99' };
    assert.deepEqual(leaving(einhorn), ['SIGUSR2', 'SIGTERM', 25_000]);
  });
});

describe('the time for connections', () => {
  const limits = (drainTimeout: number, programStops: boolean) =>
    limitsOf({ claims: [], signals: [], drainTimeout }, programStops);

  it('is shared with a program that handles its own shutdown', () => {
    assert.deepEqual(limits(28_000, false), { timeoutMs: 28_000, idleMs: 27_000, holdMs: 28_000 });
    assert.deepEqual(limits(28_000, true), { timeoutMs: 28_000, idleMs: 13_000, holdMs: 14_000 });
    assert.deepEqual(limits(1_000, true), { timeoutMs: 1_000, idleMs: 450, holdMs: 500 });
  });

  it('is limited for that program even if the shutdown timeout is not', () => {
    assert.equal(limits(2 ** 31 - 1, true).holdMs, 25_000);
  });
});

describe('the permission model', () => {
  const under = (environment: Record<string, string>, allowed: boolean) =>
    permissionProblem(environment, { ...SELF, permission: { has: () => allowed } });

  it('causes an error if it hides sockets that were passed to this process', () => {
    assert.match(under(SYSTEMD, false) ?? '', /Add --allow-fs-read=\/proc\//);
    assert.equal(under(SYSTEMD, true), null);
    assert.equal(under({}, false), null);
    assert.equal(under({ ...SYSTEMD, ...ZERO, LISTEN_PID: '1' }, false), null);
    assert.equal(permissionProblem(SYSTEMD, SELF), null);
  });
});
