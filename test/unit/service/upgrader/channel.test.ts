import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import test from 'node:test';
import { Channel } from '../../../../src/service/upgrader/channel.ts';
import { readToChild, readToParent } from '../../../../src/service/upgrader/messages.ts';

/** A channel whose other end is the test. */
function open() {
  const heard: unknown[] = [];
  const written: string[] = [];
  const socket = new Duplex({
    read: () => undefined,
    write: (chunk, _encoding, done) => {
      written.push(String(chunk));
      done();
    },
  });
  const channel = new Channel(socket as Socket, readToParent, {
    message: (message) => heard.push(message),
    closed: (error) => heard.push(error?.message ?? 'closed'),
  });
  const give = async (text: string | null): Promise<void> => {
    socket.push(text);
    await new Promise(setImmediate);
  };
  return { channel, heard, written, give };
}

test('messages are complete, however their bytes are split', async () => {
  const { heard, give } = open();
  await give('{"type":"hello","version":1,"pid":7}\n{"ty');
  await give('pe":"ready"');
  await give('}\n');
  await give(null);
  assert.deepEqual(heard, [{ type: 'hello', version: 1, pid: 7 }, { type: 'ready' }, 'closed']);
});

test('each message is one line', async () => {
  const { channel, written, give } = open();
  channel.send({ type: 'ready' });
  assert.deepEqual(written, ['{"type":"ready"}\n']);
  await give(null);
  channel.send({ type: 'ready' });
  assert.equal(written.length, 1);
});

for (const [what, text] of [
  ['invalid JSON', 'rubbish\n'],
  ['a message that this side sends', '{"type":"take_over"}\n'],
  ['a field of another type', '{"type":"hello","version":1,"pid":"7"}\n'],
  ['null', 'null\n'],
] as const) {
  test(`${what} ends the channel, once`, async () => {
    const { heard, give } = open();
    await give(text);
    await give('{"type":"ready"}\n');
    assert.deepEqual(heard, [`not a message: ${JSON.stringify(text.trimEnd())}`]);
  });
}

test('a line without an end is invalid, at the end of the input and when it is too long', async () => {
  const short = open();
  await short.give('{"type"');
  await short.give(null);
  assert.deepEqual(short.heard, ['not a message: "{\\"type\\""']);
  const long = open();
  for (let megabyte = 0; megabyte < 5; megabyte += 1) await long.give('x'.repeat(1024 * 1024));
  assert.equal(long.heard.length, 1);
  assert.match(String(long.heard[0]), /^not a message: "x{80}"$/);
});

test('the message to a new process is checked field by field', () => {
  const one = {
    fd: 4,
    name: 'http',
    kind: 'listener',
    asked: 'tcp:*:0',
    bound: 'tcp:[::]:8080',
    path: null,
    identity: { dev: 1, ino: 2 },
  };
  const inherit = { type: 'inherit', version: 1, token: 'a', pid: 7, descriptors: [one] };
  // Additional fields of a newer process are ignored.
  assert.deepEqual(readToChild({ ...inherit, more: true }), inherit);
  assert.deepEqual(readToChild({ type: 'take_over', more: true }), { type: 'take_over' });
  for (const wrong of [
    { ...inherit, token: 1 },
    { ...inherit, pid: 1.5 },
    { ...inherit, descriptors: {} },
    { ...inherit, descriptors: [{ ...one, fd: '4' }] },
    { ...inherit, descriptors: [{ ...one, kind: 'pipe' }] },
    { ...inherit, descriptors: [{ ...one, identity: null }] },
    { ...inherit, descriptors: [{ ...one, path: { path: '/a' } }] },
    { type: 'upgrade' },
  ])
    assert.equal(readToChild(wrong), null, JSON.stringify(wrong));
});
