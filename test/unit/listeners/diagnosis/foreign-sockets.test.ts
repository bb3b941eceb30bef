import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  bindSocket,
  closeFd,
  inodeOf,
  listenSocket,
  localAddress,
  openSocket,
} from '../../../../src/linux/sockets.ts';
import { foreignOnAllPorts, foreignOnPort } from '../../../../src/listeners/diagnosis/foreign-sockets.ts';

function listen(t: TestContext): { readonly inode: number; readonly port: number } {
  const fd = openSocket('inet', 'stream');
  t.after(() => closeFd(fd));
  bindSocket(fd, { family: 'inet', host: '127.0.0.1', port: 0 });
  listenSocket(fd, 1);
  const address = localAddress(fd);
  assert.ok(address.family === 'inet');
  return { inode: inodeOf(fd), port: address.port };
}

test('foreign sockets on every port are found with a single dump', (t) => {
  const own = listen(t);
  const other = listen(t);
  const names = (inode: number) => (inode === own.inode ? 'http' : null);
  const known = () => ({ own: names, ports: { min: 1, max: 65_535 } });
  const foreign = foreignOnAllPorts(known);
  const inodesOn = (port: number, find = foreign) => find(port).map(({ inode }) => inode);
  assert.deepEqual(inodesOn(own.port), []);
  assert.deepEqual(inodesOn(other.port), [other.inode]);
  // A second dump would find this socket.
  const late = listen(t);
  assert.deepEqual(inodesOn(late.port), []);
  assert.deepEqual(inodesOn(late.port, foreignOnPort(names)), [late.inode]);
  assert.deepEqual(inodesOn(late.port, foreignOnAllPorts(known)), [late.inode]);
});
