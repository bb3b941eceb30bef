import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { test } from 'node:test';
import { duplicateAbove, getOption } from '../../../../src/linux/sockets.ts';
import { ListenerSet } from '../../../../src/listeners/listener-set.ts';
import { acquire, listener, NODE_NAME, only, portOf, startProgram } from '../fixture.ts';

test('an early datagram waits in the queue', async (t) => {
  const dns = only(await acquire(t, [listener('dns', 'udp:127.0.0.1:0')]));
  await send('udp4', '127.0.0.1', portOf(dns), 'early');
  assert.equal(await receive(dns.fd), 'early');
});

test('an empty host receives datagrams of both families', async (t) => {
  const dns = only(await acquire(t, [listener('dns', 'udp::0')]));
  assert.equal(dns.text, `[::]:${portOf(dns)}`);
  await send('udp4', '127.0.0.1', portOf(dns), 'four');
  assert.equal(await receive(dns.fd), 'four');
  await send('udp6', '::1', portOf(dns), 'six');
  assert.equal(await receive(dns.fd), 'six');
});

test('without SO_REUSEADDR and SO_REUSEPORT no process can share the port', async (t) => {
  const dns = only(await acquire(t, [listener('dns', 'udp4:127.0.0.1:0')]));
  assert.equal(getOption(dns.fd, 'reuse_port'), 0);
  assert.equal(getOption(dns.fd, 'reuse_address'), 0);
});

test('a bound port is refused with the name of its holder', async (t) => {
  const holder = await startProgram(
    t,
    `const s = require('dgram').createSocket('udp4');
     s.bind(0, '127.0.0.1', () => console.log(s.address().port));`,
  );
  await assert.rejects(new ListenerSet().acquire([listener('dns', `udp:127.0.0.1:${holder.line}`)]), {
    listener: 'dns',
    message: `bind udp 127.0.0.1:${holder.line}: EADDRINUSE: the port is held by pid ${holder.pid} (${NODE_NAME})`,
  });
});

test('tcp and udp may use the same port', async (t) => {
  const set = new ListenerSet();
  const tcp = only(await acquire(t, [listener('tcp', '127.0.0.1:0')], set));
  const udp = only(await acquire(t, [listener('udp', `udp:127.0.0.1:${portOf(tcp)}`)], set));
  assert.equal(portOf(udp), portOf(tcp));
  assert.notEqual(udp.fd, tcp.fd);
});

async function send(type: 'udp4' | 'udp6', host: string, port: number, text: string): Promise<void> {
  const client = createSocket(type);
  try {
    await new Promise<void>((resolve, reject) => {
      client.send(text, port, host, (error) => (error ? reject(error) : resolve()));
    });
  } finally {
    client.close();
  }
}

/** One datagram, read from a duplicate as by a service. */
async function receive(fd: number): Promise<string> {
  const socket = createSocket('udp4');
  try {
    socket.bind({ fd: duplicateAbove(fd, 3) });
    const [message] = await once(socket, 'message');
    return String(message);
  } finally {
    socket.close();
  }
}
