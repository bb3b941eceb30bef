import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closeFrame, FrameFollower } from '../../../../src/service/drain/websocket-frames.ts';
import { seededRandom } from '../../../support/random.ts';

const HEAD = Buffer.from('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n');

/** A frame in the format of RFC 6455, 5.2. */
function frame(opcode: number, length: number, masked = false): Buffer {
  const head =
    length < 126
      ? [length]
      : length < 65_536
        ? [126, length >> 8, length & 255]
        : [127, 0, 0, 0, 0, ...[24, 16, 8, 0].map((shift) => (length >>> shift) & 255)];
  head[0] = (head[0] ?? 0) | (masked ? 0x80 : 0);
  // 0x88 is the first byte of a close frame.
  return Buffer.concat([
    Buffer.from([0x80 | opcode, ...head]),
    Buffer.alloc(length + (masked ? 4 : 0), 0x88),
  ]);
}

test('frame boundaries are found in any fragmentation', () => {
  const random = seededRandom(7);
  for (let round = 0; round < 200; round += 1) {
    const lengths = [0, 1, 125, 126, 300, 65_535, 65_536].sort(() => random() - 0.5);
    const frames = lengths.map((length) => frame(1 + Math.floor(random() * 2), length, random() < 0.3));
    const ends = new Set<number>();
    let end = HEAD.length;
    ends.add(end);
    for (const one of frames) {
      end += one.length;
      ends.add(end);
    }
    const bytes = Buffer.concat([HEAD, ...frames]);
    const follower = new FrameFollower();
    for (let at = 0; at < bytes.length; ) {
      const next = Math.min(bytes.length, at + 1 + Math.floor(random() * (random() < 0.5 ? 5 : 40_000)));
      follower.feed(bytes.subarray(at, next));
      at = next;
      const expected = at < HEAD.length ? 'head' : ends.has(at) ? 'between frames' : 'in a frame';
      assert.equal(follower.position, expected, `round ${round}, byte ${at}`);
    }
  }
});

test('a close frame ends the parsing, and following bytes are ignored', () => {
  const follower = new FrameFollower();
  follower.feed(Buffer.concat([HEAD, frame(1, 5), closeFrame(1000, 'bye'), frame(1, 3)]));
  assert.equal(follower.position, 'closed');
});

test('a response other than 101, or none, is not a WebSocket', () => {
  const refused = new FrameFollower();
  refused.feed(Buffer.from('HTTP/1.1 401 Unauthorized\r\n\r\n'));
  assert.equal(refused.position, 'refused');
  const endless = new FrameFollower();
  endless.feed(Buffer.alloc(70_000, 'x'));
  assert.equal(endless.position, 'refused');
});

test('a close frame has the format of the protocol', () => {
  assert.deepEqual([...closeFrame(1012, 'hi')], [0x88, 4, 0x03, 0xf4, 0x68, 0x69]);
});
