import assert from 'node:assert/strict';
import { writeSync } from 'node:fs';
import { after, test } from 'node:test';
import { wordsOf } from '../../../src/linux/netlink.ts';
import type { InetAddress } from '../../../src/linux/sock_diag.ts';
import {
  acceptSocket,
  bindSocket,
  closeFd,
  connectSocket,
  inodeOf,
  listenSocket,
  localAddress,
  openSocket,
} from '../../../src/linux/sockets.ts';
import { isIdle, type TcpActivity, tcpActivityOn } from '../../../src/linux/tcp-activity.ts';

interface Shown {
  readonly state?: number;
  readonly rqueue?: number;
  readonly wqueue?: number;
  readonly sent: number;
  readonly received: number;
  readonly acknowledged: number;
  readonly in: number;
  readonly out: number;
}

/** An inet_diag_msg with an attribute before its tcp_info, as from the kernel. */
function message(shown: Shown): Buffer {
  const bytes = Buffer.alloc(72 + 8 + 4 + 160);
  bytes[1] = shown.state ?? 1;
  bytes.writeUInt32LE(shown.rqueue ?? 0, 56);
  bytes.writeUInt32LE(shown.wqueue ?? 0, 60);
  bytes.writeUInt16LE(5, 72);
  bytes.writeUInt16LE(8, 74);
  bytes.writeUInt16LE(164, 80);
  bytes.writeUInt16LE(2, 82);
  const info = 84;
  bytes.writeUInt32LE(shown.sent, info + 44);
  bytes.writeUInt32LE(shown.received, info + 52);
  bytes.writeUInt32LE(shown.acknowledged, info + 56);
  bytes.writeUInt32LE(shown.in, info + 152);
  bytes.writeUInt32LE(shown.out, info + 156);
  return bytes;
}

for (const [what, idle, shown] of [
  ['answered', true, { sent: 1504, received: 1812, acknowledged: 1460, in: 1, out: 1 }],
  ['answered a second ago', true, { sent: 1000, received: 1004, acknowledged: 1000, in: 1, out: 1 }],
  ['answered just now', false, { sent: 999, received: 1004, acknowledged: 999, in: 1, out: 1 }],
  [
    'accepted, without a request yet',
    false,
    { sent: 1812, received: 1812, acknowledged: 1812, in: 0, out: 0 },
  ],
  ['greeted, without a request yet', true, { sent: 1812, received: 1812, acknowledged: 1808, in: 0, out: 1 }],
  ['a request', false, { sent: 1812, received: 1808, acknowledged: 1808, in: 1, out: 0 }],
  ['a further request', false, { sent: 1752, received: 1748, acknowledged: 1748, in: 31, out: 30 }],
  [
    'a request immediately after the connect',
    false,
    { sent: 1812, received: 1812, acknowledged: 1812, in: 1, out: 0 },
  ],
  [
    'next request in the same tick as the response',
    false,
    { sent: 1720, received: 1720, acknowledged: 1720, in: 51, out: 50 },
  ],
  [
    'response in the same tick as the request',
    true,
    { sent: 1720, received: 1720, acknowledged: 1720, in: 50, out: 50 },
  ],
  [
    'response in that tick, acknowledged later',
    true,
    { sent: 1720, received: 1720, acknowledged: 1680, in: 3, out: 2 },
  ],
  [
    'answered, with unread data',
    false,
    { rqueue: 1, sent: 1504, received: 1812, acknowledged: 1460, in: 1, out: 1 },
  ],
  [
    'answered, and closed by the client (CLOSE_WAIT), whose FIN is unread',
    true,
    { state: 8, rqueue: 1, sent: 1504, received: 1812, acknowledged: 1460, in: 1, out: 1 },
  ],
  [
    'answered, closed by the client after unread data',
    false,
    { state: 8, rqueue: 2, sent: 1504, received: 1812, acknowledged: 1460, in: 1, out: 1 },
  ],
  [
    'a request, and closed for sending',
    false,
    { state: 8, rqueue: 1, sent: 1812, received: 1808, acknowledged: 1808, in: 1, out: 0 },
  ],
  [
    'answered, with unsent data',
    false,
    { wqueue: 1, sent: 1504, received: 1812, acknowledged: 1460, in: 1, out: 1 },
  ],
] as const) {
  test(`${idle ? 'idle' : 'not idle'}: ${what}`, () => assert.equal(isIdle(wordsOf(message(shown))), idle));
}

test('without tcp_info no connection is idle', () => {
  const whole = message({ sent: 5000, received: 6000, acknowledged: 5000, in: 1, out: 1 });
  assert.equal(isIdle(wordsOf(whole)), true);
  for (const length of [72, 75, 80, 84, 100, whole.length - 1])
    assert.equal(isIdle(wordsOf(whole.subarray(0, length))), false, String(length));
  whole.writeUInt16LE(0, 72);
  assert.equal(isIdle(wordsOf(whole)), false);
});

async function activityOn(port: number, wanted: (inode: number) => boolean): Promise<TcpActivity[]> {
  const all: TcpActivity[] = [];
  for await (const some of tcpActivityOn(new Set([port]), wanted)) all.push(...some);
  return all;
}

const open: number[] = [];
after(() => {
  for (const fd of open) closeFd(fd);
});

for (const [family, host] of [
  ['inet', '127.0.0.1'],
  ['inet6', '::1'],
] as const) {
  test(`${family}: accepted connections are listed, and one of them is looked up again`, async () => {
    const listener = openSocket(family, 'stream');
    open.push(listener);
    bindSocket(listener, { family, host, port: 0 });
    listenSocket(listener, 8);
    const { port } = localAddress(listener) as InetAddress;
    const connect = () => {
      const fd = openSocket(family, 'stream');
      connectSocket(fd, { family, host, port });
      return fd;
    };
    const clients = [connect(), connect(), connect()];
    open.push(...clients);
    const accepted = [acceptSocket(listener)?.fd ?? -1, acceptSocket(listener)?.fd ?? -1];
    writeSync(clients[0] ?? -1, 'x');
    const wanted = inodeOf(accepted[0] ?? -1);
    // The third one waits in the queue, and is not accepted yet.
    const seen = await activityOn(port, (inode) => inode === wanted);
    assert.deepEqual(new Set(seen.map(({ inode }) => inode)), new Set(accepted.map(inodeOf)));
    assert.ok(seen.every(({ idle }) => !idle));
    const again = seen.filter(({ isStillBusy }) => isStillBusy !== null);
    assert.deepEqual(
      again.map(({ inode }) => inode),
      [wanted],
    );
    assert.equal(again[0]?.isStillBusy?.(), true);
    for (const fd of accepted) closeFd(fd);
    assert.equal(again[0]?.isStillBusy?.(), false);
    assert.deepEqual(await activityOn(port, () => true), []);
  });
}
