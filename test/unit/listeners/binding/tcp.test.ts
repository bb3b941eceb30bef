import assert from 'node:assert/strict';
import { readFileSync, readlinkSync } from 'node:fs';
import { test } from 'node:test';
import { SystemError } from '../../../../src/linux/errors.ts';
import {
  bindSocket,
  closeFd,
  getOption,
  listenSocket,
  localAddress,
  openSocket,
  setOption,
} from '../../../../src/linux/sockets.ts';
import { ListenerSet } from '../../../../src/listeners/listener-set.ts';
import { freePort } from '../../../support/free-address.ts';
import { listenQueues } from '../../../support/sockets.ts';
import { acquire, connect, listener, only, portOf, readAll, serve } from '../fixture.ts';

test('an early client waits in the queue and is served', async (t) => {
  const http = only(await acquire(t, [listener('http', '127.0.0.1:0')]));
  const client = await connect(t, { host: '127.0.0.1', port: portOf(http) });
  serve(t, http.fd, 'late but here');
  assert.equal(await readAll(client), 'late but here');
});

test('the actual address is reported with the port that the kernel chose', async (t) => {
  const http = only(await acquire(t, [listener('http', '127.0.0.1:0', { socket_fd: 7 })]));
  assert.ok(portOf(http) > 0);
  assert.equal(http.text, `127.0.0.1:${portOf(http)}`);
  assert.deepEqual(http.address, { family: 'inet', host: '127.0.0.1', port: portOf(http) });
  assert.equal(http.target, 7);
});

test('an empty host means every address of both families', async (t) => {
  const http = only(await acquire(t, [listener('http', ':0')]));
  assert.equal(http.address.family, 'inet6');
  serve(t, http.fd, 'hello');
  for (const host of ['127.0.0.1', '::1']) {
    assert.equal(await readAll(await connect(t, { host, port: portOf(http) })), 'hello');
  }
});

test('tcp and an unspecified address is dual-stack, as in Go', async (t) => {
  for (const address of ['0.0.0.0:0', '[::]:0']) {
    const http = only(await acquire(t, [listener('http', address)]));
    assert.equal(http.text, `[::]:${portOf(http)}`);
    assert.equal(getOption(http.fd, 'ipv6_only'), 0);
  }
});

test('tcp4 and tcp6 force the family, and may share a port', async (t) => {
  const set = new ListenerSet();
  // Port 0 would choose a port that is free for IPv6, and another program may hold it for IPv4.
  const six = only(await acquire(t, [listener('six', `tcp6::${await freePort()}`)], set));
  assert.equal(getOption(six.fd, 'ipv6_only'), 1);
  const four = only(await acquire(t, [listener('four', `tcp4::${portOf(six)}`)], set));
  assert.equal(four.text, `0.0.0.0:${portOf(six)}`);
});

test('ipv6_only refuses IPv4 clients', async (t) => {
  const http = only(await acquire(t, [listener('http', ':0', { options: { ipv6_only: true } })]));
  await connect(t, { host: '::1', port: portOf(http) });
  await assert.rejects(connect(t, { host: '127.0.0.1', port: portOf(http) }), { code: 'ECONNREFUSED' });
});

test('two listeners on port 0 have two ports', async (t) => {
  const { listeners } = await acquire(t, [listener('a', '127.0.0.1:0'), listener('b', '127.0.0.1:0')]);
  const ports = listeners.map(portOf);
  assert.notEqual(ports[0], ports[1]);
});

test('the descriptor listens, does not block, and is closed on exec', async (t) => {
  const http = only(await acquire(t, [listener('http', '127.0.0.1:0')]));
  const flags = Number.parseInt(
    /flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${http.fd}`, 'latin1'))?.[1] ?? '',
    8,
  );
  assert.equal(flags & 0o4000, 0o4000, 'O_NONBLOCK');
  assert.equal(flags & 0o2000000, 0o2000000, 'O_CLOEXEC');
  assert.equal(getOption(http.fd, 'accept_connections'), 1);
  assert.match(readlinkSync(`/proc/self/fd/${http.fd}`), /^socket:/);
});

test('a later lane with SO_REUSEPORT joins, a socket without it fails', async (t) => {
  const http = only(await acquire(t, [listener('http', '127.0.0.1:0')]));
  const lane = openSocket('inet', 'stream');
  t.after(() => closeFd(lane));
  setOption(lane, 'reuse_address', 1);
  assert.throws(() => bindSocket(lane, http.address), isAddressInUse);
  setOption(lane, 'reuse_port', 1);
  bindSocket(lane, http.address);
  listenSocket(lane, 16);
  assert.equal(listenQueues(portOf(http)).length, 2);
});

test('a port that another process shares by SO_REUSEPORT is refused', async (t) => {
  const foreign = openSocket('inet', 'stream');
  t.after(() => closeFd(foreign));
  setOption(foreign, 'reuse_port', 1);
  setOption(foreign, 'reuse_address', 1);
  bindSocket(foreign, { family: 'inet', host: '127.0.0.1', port: 0 });
  listenSocket(foreign, 16);
  const address = localAddress(foreign);
  assert.ok(address.family === 'inet');
  await assert.rejects(new ListenerSet().acquire([listener('http', `127.0.0.1:${address.port}`)]), {
    code: 'EADDRINUSE',
  });
});

test('the socket options of the config are set', async (t) => {
  const options = {
    free_bind: true,
    defer_accept: 5,
    fast_open: 64,
    receive_buffer: 65536,
    send_buffer: 32768,
  };
  // No machine has 192.0.2.77 (RFC 5737): only free_bind permits its bind.
  const http = only(await acquire(t, [listener('http', '192.0.2.77:0', { options })]));
  assert.equal(getOption(http.fd, 'free_bind'), 1);
  assert.ok(getOption(http.fd, 'defer_accept') >= 5);
  assert.equal(getOption(http.fd, 'fast_open'), 64);
  assert.equal(getOption(http.fd, 'receive_buffer'), 2 * 65536, 'the kernel doubles it (socket(7))');
  assert.equal(getOption(http.fd, 'send_buffer'), 2 * 32768);
});

test('mark, transparent and bind_to_device are set with privileges', {
  skip: process.geteuid?.() !== 0,
}, async (t) => {
  const options = { mark: 0xffffffff, transparent: true, bind_to_device: 'lo' };
  const http = only(await acquire(t, [listener('http', '127.0.0.1:0', { options })]));
  assert.equal(getOption(http.fd, 'mark') >>> 0, 0xffffffff);
  assert.equal(getOption(http.fd, 'transparent'), 1);
});

test('the backlog of the config is set again after a service listens with its own', async (t) => {
  const set = new ListenerSet();
  const acquired = await acquire(t, [listener('http', '127.0.0.1:0', { backlog: 33 })], set);
  const http = only(acquired);
  const backlog = () => listenQueues(portOf(http))[0]?.wqueue;
  assert.equal(backlog(), 33);
  listenSocket(http.fd, 5);
  assert.equal(backlog(), 5);
  set.relisten(acquired);
  assert.equal(backlog(), 33);
});

function isAddressInUse(error: unknown): boolean {
  return error instanceof SystemError && error.code === 'EADDRINUSE';
}
