import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createDatagramSocket, receiveDatagram } from '../../../../src/linux/datagrams.ts';
import { linux } from '../../../../src/linux/kernel.ts';
import { closeFd, inodeOf, openSocket } from '../../../../src/linux/sockets.ts';
import { DescriptorStore } from '../../../../src/supervisor/keeper/descriptor-store.ts';
import { temporaryFolder } from '../../../support/temporary.ts';

/** A service manager, and the messages since the last call: their text, and the inodes of their descriptors. */
function managerOf(t: TestContext) {
  const socket = join(temporaryFolder(t), 'notify');
  const fd = createDatagramSocket(socket);
  t.after(() => closeFd(fd));
  const received = (): [string, number[]][] => {
    const message = receiveDatagram(fd);
    if (message === null) return [];
    const inodes = message.fds.map(inodeOf);
    for (const one of message.fds) closeFd(one);
    return [[message.data.toString(), inodes], ...received()];
  };
  return { socket, received };
}

function socketOf(t: TestContext) {
  const fd = openSocket('inet', 'stream');
  t.after(() => closeFd(fd));
  return { fd, inode: inodeOf(fd) };
}

const fail = (message: string) => assert.fail(message);

test('the descriptor store gets new sockets, and loses closed ones', (t) => {
  const { socket, received } = managerOf(t);
  const [one, two] = [socketOf(t), socketOf(t)];
  const vault = linux.openMemoryFile('zero-vault', Buffer.alloc(0));
  t.after(() => closeFd(vault));
  const store = new DescriptorStore(socket, ['zero-1', `zero-${two.inode}`], fail);
  store.keep([one, two], vault);
  assert.deepEqual(received(), [
    [`FDSTORE=1\nFDNAME=zero-${one.inode}\nFDPOLL=0`, [one.inode]],
    [`FDSTORE=1\nFDNAME=zero-vault-${inodeOf(vault)}\nFDPOLL=0`, [inodeOf(vault)]],
    ['FDSTOREREMOVE=1\nFDNAME=zero-1', []],
  ]);
  store.keep([one, two], vault);
  assert.deepEqual(received(), []);
  store.keep([two], vault);
  assert.deepEqual(received(), [[`FDSTOREREMOVE=1\nFDNAME=zero-${one.inode}`, []]]);
});

test('a missing manager is reported once', (t) => {
  const warnings: string[] = [];
  const socket = join(temporaryFolder(t), 'missing');
  const store = new DescriptorStore(socket, [], (message) => warnings.push(message));
  store.keep([socketOf(t)], null);
  store.keep([socketOf(t)], null);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? '', /^store sockets with the service manager at .*missing: .*ENOENT/);
});
