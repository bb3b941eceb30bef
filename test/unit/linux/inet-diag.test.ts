import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { SystemError } from '../../../src/linux/errors.ts';
import { type Intake, intakesOn } from '../../../src/linux/inet-diag.ts';
import type { SocketAddress } from '../../../src/linux/sockaddr.ts';
import {
  acceptSocket,
  bindSocket,
  closeFd,
  connectSocket,
  inodeOf,
  listenSocket,
  localAddress,
  openSocket,
  sendNow,
  setOption,
} from '../../../src/linux/sockets.ts';

const open: number[] = [];
after(() => {
  for (const fd of open) closeFd(fd);
});

function bound(
  type: 'stream' | 'dgram',
  family: 'inet' | 'inet6',
  host: string,
): { fd: number; port: number } {
  const fd = openSocket(family, type);
  open.push(fd);
  bindSocket(fd, { family, host, port: 0 });
  const address = localAddress(fd);
  assert.notEqual(address.family, 'unix');
  return { fd, port: 'port' in address ? address.port : 0 };
}

/**
 * The SYN has been answered or dropped when this returns: the kernel delivers loopback packets within the system call
 * of the sender.
 */
function connect(to: SocketAddress): void {
  const fd = openSocket(to.family, 'stream');
  open.push(fd);
  try {
    connectSocket(fd, to);
  } catch (error) {
    if (!(error instanceof SystemError) || error.code !== 'EINPROGRESS') throw error;
  }
}

function only(intakes: readonly Intake[]): Intake {
  assert.equal(intakes.length, 1);
  return intakes[0] as Intake;
}

for (const [family, host] of [
  ['inet', '127.0.0.1'],
  ['inet6', '::1'],
] as const) {
  test(`the queue and the drops of a TCP listener on ${host} are counted`, () => {
    const { fd, port } = bound('stream', family, host);
    listenSocket(fd, 1);
    assert.deepEqual(only(intakesOn('tcp', port)), { inode: inodeOf(fd), waiting: 0, drops: 0 });
    // A backlog of 1 permits two connections (sk_acceptq_is_full, include/net/sock.h).
    for (let count = 0; count < 5; count += 1) connect({ family, host, port });
    assert.deepEqual(only(intakesOn('tcp', port)), { inode: inodeOf(fd), waiting: 2, drops: 3 });
    const accepted = acceptSocket(fd);
    assert.ok(accepted);
    open.push(accepted.fd);
    assert.equal(only(intakesOn('tcp', port)).waiting, 1);
  });
}

test('the queue and the drops of a UDP socket are counted', () => {
  const { fd, port } = bound('dgram', 'inet', '127.0.0.1');
  setOption(fd, 'receive_buffer', 1);
  const sender = openSocket('inet', 'dgram');
  open.push(sender);
  connectSocket(sender, { family: 'inet', host: '127.0.0.1', port });
  for (let count = 0; count < 100; count += 1) sendNow(sender, Buffer.alloc(500));
  const { inode, waiting, drops } = only(intakesOn('udp', port));
  assert.equal(inode, inodeOf(fd));
  assert.ok(waiting > 0);
  assert.ok(drops !== null && drops > 0 && drops < 100, `${drops}`);
});

test('an unused port has no sockets', () => {
  assert.deepEqual(intakesOn('tcp', 1), []);
  assert.deepEqual(intakesOn('udp', 1), []);
});
