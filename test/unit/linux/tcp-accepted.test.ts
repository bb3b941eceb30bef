import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { InetAddress } from '../../../src/linux/inet-diag.ts';
import { acceptedTcp } from '../../../src/linux/tcp-accepted.ts';

/** A server that keeps its connections, and this number of clients. */
async function connected(
  t: TestContext,
  { host, from }: { host: string; from: readonly string[] },
): Promise<number> {
  const sockets: Socket[] = [];
  const server = net.createServer((socket) => void sockets.push(socket));
  server.listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  for (const address of from) {
    const accepted = once(server, 'connection');
    const client = net.connect(port, address);
    sockets.push(client);
    await Promise.all([accepted, once(client, 'connect')]);
  }
  return port;
}

async function count(...addresses: InetAddress[]): Promise<number> {
  let total = 0;
  for await (const inodes of acceptedTcp(addresses)) total += new Set(inodes).size;
  return total;
}

test('the count covers the connections of several listeners, and none of a port between theirs', async (t) => {
  const ports: number[] = [];
  for (const from of [['127.0.0.1'], ['127.0.0.1', '127.0.0.1'], ['127.0.0.1']])
    ports.push(await connected(t, { host: '127.0.0.1', from }));
  const [low = 0, middle = 0, high = 0] = ports.toSorted((one, other) => one - other);
  const at = (port: number): InetAddress => ({ family: 'inet', host: '127.0.0.1', port });
  const [ofLow, ofMiddle, ofHigh] = [await count(at(low)), await count(at(middle)), await count(at(high))];
  assert.equal(ofLow + ofMiddle + ofHigh, 4);
  assert.equal(await count(at(low), at(high)), ofLow + ofHigh);
  assert.equal(await count(at(low), at(middle), at(high), { family: 'inet6', host: '::1', port: middle }), 4);
});

test('accepted connections are counted, those of another address on the port are not', async (t) => {
  const port = await connected(t, { host: '127.0.0.1', from: ['127.0.0.1', '127.0.0.1', '127.0.0.1'] });
  assert.equal(await count({ family: 'inet', host: '127.0.0.1', port }), 3);
  assert.equal(await count({ family: 'inet', host: '127.0.0.2', port }), 0);
  assert.equal(await count({ family: 'inet', host: '0.0.0.0', port }), 3);
});

test('a dual-stack listener includes IPv4 connections', async (t) => {
  const port = await connected(t, { host: '::', from: ['127.0.0.1', '::1'] });
  assert.equal(await count({ family: 'inet6', host: '::', port }), 2);
});
