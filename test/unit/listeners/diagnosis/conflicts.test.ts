import assert from 'node:assert/strict';
import { readdirSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { test } from 'node:test';
import { bindSocket, closeFd, localAddress, openSocket } from '../../../../src/linux/sockets.ts';
import { ListenerSet } from '../../../../src/listeners/listener-set.ts';
import {
  acquire,
  failOnce,
  listener,
  NODE_NAME,
  only,
  portOf,
  startProgram,
  temporaryFolder,
} from '../fixture.ts';

const listenOnLoopback = `const s = require('net').createServer();
  s.listen(0, '127.0.0.1', () => console.log(s.address().port));`;

test('EADDRINUSE reports the process that holds the port', async (t) => {
  const holder = await startProgram(t, listenOnLoopback);
  const held = `EADDRINUSE: the port is held by pid ${holder.pid} (${NODE_NAME})`;
  for (const address of [`127.0.0.1:${holder.line}`, `:${holder.line}`]) {
    await assert.rejects(new ListenerSet().acquire([listener('http', address)]), {
      name: 'ListenerError',
      listener: 'http',
      code: 'EADDRINUSE',
      message: `bind tcp ${address}: ${held}`,
    });
  }
});

test('EADDRINUSE by a socket that does not listen is explained', async (t) => {
  const fd = openSocket('inet', 'stream');
  t.after(() => closeFd(fd));
  bindSocket(fd, { family: 'inet', host: '127.0.0.1', port: 0 });
  const address = localAddress(fd);
  assert.ok(address.family === 'inet');
  await assert.rejects(new ListenerSet().acquire([listener('http', `127.0.0.1:${address.port}`)]), {
    message: /EADDRINUSE: the port is held by a socket that does not listen, or has been closed$/,
  });
});

test('an address that overlaps with another listener of the config is reported', async (t) => {
  const set = new ListenerSet();
  const http = only(await acquire(t, [listener('http', '127.0.0.1:0')], set));
  await assert.rejects(set.acquire([listener('all', `:${portOf(http)}`)]), {
    listener: 'all',
    message: `bind tcp :${portOf(http)}: EADDRINUSE: the port is held by zero's own listener http: an address that overlaps with one in use needs a restart`,
  });
});

test('EACCES on a low port reports the solution', async (t) => {
  failOnce(t, 'bind', 'EACCES');
  await assert.rejects(new ListenerSet().acquire([listener('http', '127.0.0.1:1')]), (error: Error) => {
    assert.match(
      error.message,
      /^bind tcp 127\.0\.0\.1:1: EACCES: ports below \d+ need root or CAP_NET_BIND_SERVICE\. /,
    );
    assert.match(error.message, /AmbientCapabilities=CAP_NET_BIND_SERVICE/);
    assert.match(error.message, /setcap cap_net_bind_service=\+ep /);
    assert.match(error.message, /net\.ipv4\.ip_unprivileged_port_start=1$/);
    return true;
  });
  failOnce(t, 'bind', 'EACCES');
  await assert.rejects(new ListenerSet().acquire([listener('http', '127.0.0.1:60000')]), {
    message:
      'bind tcp 127.0.0.1:60000: EACCES: a security module (SELinux, AppArmor) refuses it. Check its log',
  });
});

test('EADDRNOTAVAIL reports that the machine does not have the address', async () => {
  await assert.rejects(new ListenerSet().acquire([listener('http', '192.0.2.77:0')]), {
    message:
      'bind tcp 192.0.2.77:0: EADDRNOTAVAIL: this machine does not have the address. Run "ip address", or set the option free_bind to listen before the address exists',
  });
});

test('an unknown interface is reported', async () => {
  await assert.rejects(new ListenerSet().acquire([listener('http', '[fe80::1%nope0]:0')]), {
    message: 'bind tcp [fe80::1%nope0]:0: ENODEV: network interface nope0 does not exist',
  });
  const onDevice = listener('http', '127.0.0.1:0', { options: { bind_to_device: 'nope0' } });
  await assert.rejects(new ListenerSet().acquire([onDevice]), {
    message: 'set bind_to_device on tcp 127.0.0.1:0: ENODEV: the network interface does not exist',
  });
});

test('an option that needs a privilege reports which one', async (t) => {
  failOnce(t, 'setsockopt', 'EPERM', 2);
  const config = listener('http', '127.0.0.1:0', { options: { mark: 1 } });
  await assert.rejects(new ListenerSet().acquire([config]), {
    message:
      'set mark on tcp 127.0.0.1:0: EPERM: needs root or CAP_NET_ADMIN (AmbientCapabilities= in a systemd unit)',
  });
});

test('EMFILE during a bind closes the earlier sockets, and holds none', async (t) => {
  const path = `${temporaryFolder(t)}/app.sock`;
  // libuv opens one inotify instance with the first watch, and keeps it.
  watch(dirname(path)).close();
  const before = readdirSync('/proc/self/fd').length;
  const set = new ListenerSet();
  failOnce(t, 'socket', 'EMFILE', 4);
  const spec = [
    listener('a', '127.0.0.1:0'),
    listener('b', `unix:${path}`),
    listener('c', 'udp:127.0.0.1:0'),
    listener('d', '127.0.0.1:0'),
    listener('e', '127.0.0.1:0'),
  ];
  await assert.rejects(set.acquire(spec), {
    listener: 'd',
    message:
      /^socket tcp 127\.0\.0\.1:0: EMFILE: all \d+ descriptors of this process are in use\. .* Raise the hard limit/,
  });
  assert.deepEqual(set.snapshot(), []);
  assert.equal(readdirSync('/proc/self/fd').length, before);
  await acquire(t, spec, set);
});

test('a failed listen leaks neither descriptor nor path', async (t) => {
  const folder = temporaryFolder(t);
  const before = readdirSync('/proc/self/fd').length;
  const set = new ListenerSet();
  failOnce(t, 'listen', 'EADDRINUSE');
  await assert.rejects(set.acquire([listener('app', `unix:${folder}/app.sock`)]), { code: 'EADDRINUSE' });
  failOnce(t, 'listen', 'EADDRINUSE');
  await assert.rejects(set.acquire([listener('app', '127.0.0.1:0')]), { code: 'EADDRINUSE' });
  assert.equal(readdirSync('/proc/self/fd').length, before);
  assert.deepEqual(readdirSync(folder), []);
});
