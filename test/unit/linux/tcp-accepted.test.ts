import assert from 'node:assert/strict';
import { once } from 'node:events';
import net, { type AddressInfo, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { InetAddress } from '../../../src/linux/inet-diag.ts';
import { acceptedTcp } from '../../../src/linux/tcp-accepted.ts';

/** A server that keeps its connections, and so many clients of it. */
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

async function count(address: InetAddress): Promise<number> {
  let total = 0;
  for await (const inodes of acceptedTcp(address)) total += new Set(inodes).size;
  return total;
}

test('connections that were accepted are counted, and those of another address on the port are not', async (t) => {
  const port = await connected(t, { host: '127.0.0.1', from: ['127.0.0.1', '127.0.0.1', '127.0.0.1'] });
  assert.equal(await count({ family: 'inet', host: '127.0.0.1', port }), 3);
  assert.equal(await count({ family: 'inet', host: '127.0.0.2', port }), 0);
  assert.equal(await count({ family: 'inet', host: '0.0.0.0', port }), 3);
});

test('a dual-stack listener has those by IPv4 as well', async (t) => {
  const port = await connected(t, { host: '::', from: ['127.0.0.1', '::1'] });
  assert.equal(await count({ family: 'inet6', host: '::', port }), 2);
});
