import assert from 'node:assert/strict';
import { test } from 'node:test';
import { call } from '../../../src/linux/libc.ts';
import { MessageBatch } from '../../../src/linux/message-batch.ts';
import { bindSocket, closeFd, connectSocket, localAddress, openSocket } from '../../../src/linux/sockets.ts';

test('one call receives the messages that wait, each with its own length, and later ones in the next call', (t) => {
  const [receiver, sender] = [openSocket('inet', 'dgram'), openSocket('inet', 'dgram')];
  t.after(() => {
    for (const fd of [receiver, sender]) closeFd(fd);
  });
  bindSocket(receiver, { family: 'inet', host: '127.0.0.1', port: 0 });
  connectSocket(sender, localAddress(receiver));
  const batch = new MessageBatch(3, 16);
  const receive = (): string[] => {
    const count = call('recvmmsg', receiver, batch.block, batch.count, 0, null);
    return Array.from({ length: count }, (_, index) => batch.data(index).toString());
  };
  for (const text of ['a', 'four', '', '0123456789abcdef and more'])
    call('send', sender, Buffer.from(text), text.length, 0);
  assert.deepEqual(receive(), ['a', 'four', '']);
  // A longer message is truncated (udp(7)).
  assert.deepEqual(receive(), ['0123456789abcdef']);
});
