import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openPipe } from '../../../../src/linux/pipes.ts';
import type { SocketAddress } from '../../../../src/linux/sockaddr.ts';
import {
  bindSocket,
  closeFd,
  connectSocket,
  listenSocket,
  localAddress,
  openSocket,
  type SocketType,
} from '../../../../src/linux/sockets.ts';
import { inspect } from '../../../../src/service/platform/linux.ts';
import { type Scope, temporaryFolder } from '../../../support/temporary.ts';

function open(t: Scope, address: SocketAddress, type: SocketType = 'stream'): number {
  const fd = openSocket(address.family, type);
  t.after(() => closeFd(fd));
  bindSocket(fd, address);
  if (type === 'stream') listenSocket(fd, 8);
  return fd;
}

function portOf(fd: number): number {
  const address = localAddress(fd);
  assert.ok(address.family !== 'unix');
  return address.port;
}

describe('a descriptor', () => {
  it('may be a listening TCP socket of IPv4 or IPv6', (t) => {
    for (const [family, host] of [
      ['inet', '127.0.0.1'],
      ['inet', '0.0.0.0'],
      ['inet6', '::1'],
      ['inet6', '::'],
    ] as const) {
      const fd = open(t, { family, host, port: 0 });
      const place = { family: 'ip', host, port: portOf(fd) };
      assert.deepEqual(inspect(fd), { socket: { type: 'stream', place } });
    }
  });

  it('may be a UDP socket', (t) => {
    const fd = open(t, { family: 'inet', host: '127.0.0.1', port: 0 }, 'dgram');
    const place = { family: 'ip', host: '127.0.0.1', port: portOf(fd) };
    assert.deepEqual(inspect(fd), { socket: { type: 'datagram', place } });
  });

  it('may be a listening Unix socket with a path or an abstract name', (t) => {
    for (const path of [join(temporaryFolder(t), 'a socket'), `@zero-test-${process.pid}`]) {
      const fd = open(t, { family: 'unix', path });
      assert.deepEqual(inspect(fd), { socket: { type: 'stream', place: { family: 'unix', path } } });
    }
  });

  it('may be another file, whose type is reported', (t) => {
    const problem = (fd: number) => {
      const seen = inspect(fd);
      assert.ok('problem' in seen, JSON.stringify(seen));
      return seen.problem;
    };
    const pipe = openPipe();
    const file = openSync('/dev/null', 'r');
    t.after(() => {
      closeFd(pipe.read);
      closeFd(pipe.write);
    });
    assert.match(problem(pipe.read), /^is not a socket but pipe:/);
    assert.equal(problem(file), 'is not a socket but /dev/null');
    closeSync(file);
    assert.equal(problem(file), 'is not open in this process');
    const server = open(t, { family: 'inet', host: '127.0.0.1', port: 0 });
    const client = openSocket('inet', 'stream');
    t.after(() => closeFd(client));
    connectSocket(client, { family: 'inet', host: '127.0.0.1', port: portOf(server) });
    assert.match(problem(client), /^is a socket that does not listen/);
    const unbound = openSocket('unix', 'stream');
    t.after(() => closeFd(unbound));
    assert.match(problem(unbound), /^is a socket that does not listen/);
  });
});
