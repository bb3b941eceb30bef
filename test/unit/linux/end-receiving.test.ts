import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { endReceiving } from '../../../src/linux/end-receiving.ts';
import { descriptorsOf, socketInode } from '../../../src/linux/socket-holder.ts';
import {
  acceptSocket,
  bindSocket,
  closeFd,
  inodeOf,
  listenSocket,
  localAddress,
  openSocket,
} from '../../../src/linux/sockets.ts';

const inodes = () => new Set(descriptorsOf('self').flatMap(({ link }) => socketInode(link) ?? []));

test('the process reads end-of-file, and its data still arrives', async (t) => {
  const server = createServer({ allowHalfOpen: true });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => void server.close());
  const before = inodes();
  const client = createConnection((server.address() as AddressInfo).port, '127.0.0.1');
  t.after(() => void client.destroy());
  const [accepted] = (await once(server, 'connection')) as [Socket];
  const ended = once(accepted.resume(), 'end');
  const wanted = [...inodes()].filter((inode) => !before.has(inode));
  assert.equal(wanted.length, 2);
  // One of the two is the client's, whose end is not needed here.
  assert.equal(await endReceiving([process.pid], new Set(wanted)), 2);
  await ended;
  const closed = [accepted, client].map((socket) => once(socket, 'close'));
  accepted.end('bye');
  client.resume();
  await Promise.all(closed);
  assert.equal(await endReceiving([process.pid], new Set(wanted)), 0);
});

test('a connection that has received data is left unchanged', async (t) => {
  const listener = openSocket('inet', 'stream');
  bindSocket(listener, { family: 'inet', host: '127.0.0.1', port: 0 });
  listenSocket(listener, 16);
  const client = createConnection((localAddress(listener) as { port: number }).port, '127.0.0.1');
  client.on('error', () => {});
  await once(client, 'connect');
  const accepted = acceptSocket(listener)?.fd ?? -1;
  t.after(() => {
    client.destroy();
    for (const fd of [accepted, listener]) closeFd(fd);
  });
  await new Promise((resolve) => client.write('GET', resolve));
  assert.equal(await endReceiving([process.pid], new Set([inodeOf(accepted)])), 0);
});
