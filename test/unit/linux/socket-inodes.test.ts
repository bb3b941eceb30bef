import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Slices } from '../../../src/common/slices.ts';
import { openPipe } from '../../../src/linux/pipes.ts';
import { pidfdOpen, reapOne } from '../../../src/linux/processes.ts';
import { socketInodes } from '../../../src/linux/socket-inodes.ts';
import { closeFd, inodeOf, openSocket } from '../../../src/linux/sockets.ts';
import { sendSignal } from '../../support/send-signal.ts';
import { ended, readable, start } from './support.ts';

const own = Array.from({ length: 20 }, () => openSocket('inet', 'stream'));
after(() => own.forEach(closeFd));
const inodes = own.map(inodeOf);

function child(): number {
  const pipe = openPipe();
  const pid = start({
    path: '/bin/cat',
    descriptors: new Map([
      [0, pipe.read],
      [7, own[0] ?? -1],
      [9, own[1] ?? -1],
    ]),
  });
  closeFd(pipe.read);
  after(() => closeFd(pipe.write));
  return pid;
}

for (const [where, most] of [
  ['here', 100_000],
  ['in a thread', 0],
] as const) {
  test(`the sockets of each process are read ${where}`, async () => {
    const pid = child();
    const [mine, theirs, gone] = await socketInodes([process.pid, pid, 2 ** 22 + 1], new Slices(), most);
    const found = new Set(Array.from(mine ?? []));
    assert.ok(inodes.every((inode) => found.has(inode)));
    // Its standard output may also be a socket.
    const given = inodes.map((inode) => Array.from(theirs ?? []).includes(inode));
    assert.deepEqual(given.slice(0, 3), [true, true, false]);
    assert.equal(gone?.length, 0);
    sendSignal(pid, 'SIGKILL');
    await ended(pid);
  });
}

test('other work runs between the slices', async () => {
  let time = 0;
  let turns = 0;
  class Counted extends Slices {
    override async next(): Promise<void> {
      turns += 1;
      await super.next();
    }
  }
  // Each reading of the clock adds a millisecond.
  const slices = new Counted(() => {
    time += 1;
    return time;
  });
  await socketInodes([process.pid], slices);
  assert.ok(turns >= 20 / 2, String(turns));
});

test('a zombie process has no sockets', async () => {
  const pid = start({ path: '/bin/true' });
  // A pidfd becomes readable when the process has ended, before it is reaped.
  const pidfd = pidfdOpen(pid);
  await readable(pidfd);
  closeFd(pidfd);
  assert.deepEqual(Array.from((await socketInodes([pid]))[0] ?? [-1]), []);
  assert.equal(reapOne()?.pid, pid);
});
