import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer, type Server } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { socketsOf } from '../../../src/linux/socket-holder.ts';
import { isRingIdle, socketUse } from '../../../src/linux/socket-use.ts';

/** A server of this process, with its inode. */
async function listen(t: TestContext): Promise<{ server: Server; inode: number }> {
  const before = new Set(socketsOf(process.pid));
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => void server.close());
  const [inode = 0] = socketsOf(process.pid).filter((one) => !before.has(one));
  return { server, inode };
}

/** Runs a program with the socket as descriptor 3, until it uses the socket. */
async function start(t: TestContext, server: Server, [path = '', ...args]: string[]): Promise<ChildProcess> {
  const { fd } = Reflect.get(server, '_handle') as { fd: number };
  const child = spawn(path, args, { stdio: ['ignore', 'pipe', 'inherit', fd] });
  t.after(() => void child.kill('SIGKILL'));
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  return child;
}

const PERL = ['/usr/bin/perl', '-e'];
// Node has made the socket non-blocking. perl first makes it blocking again.
const OPEN = '$| = 1; open(my $s, "+<&=", 3); use Fcntl; fcntl($s, F_SETFL, 0); print "x";';
const WAITS: readonly (readonly [string, string[], string])[] = [
  ['waits in accept(2)', [...PERL, `${OPEN} accept(my $c, $s); sleep 60`], 'used'],
  [
    'has it in an epoll instance',
    [process.execPath, '-e', `require('node:net').createServer().listen({ fd: 3 }, () => console.log('x'))`],
    'used',
  ],
  [
    'waits in select(2)',
    [...PERL, `${OPEN} vec(my $r, 3, 1) = 1; select($r, undef, undef, undef)`],
    'unknown',
  ],
  ['only holds it', [...PERL, `${OPEN} sleep 60`], 'unused'],
  // io_uring_setup(2) has the number 425 on every architecture.
  [
    'has an unused io_uring',
    [...PERL, `${OPEN} syscall(425, 8, my $ring = "\\0" x 120); sleep 60`],
    'unused',
  ],
];

describe('the use of a socket by a process that', () => {
  for (const [what, program, expected] of WAITS)
    it(`${what} is ${expected}`, { timeout: 20_000 }, async (t) => {
      const { server, inode } = await listen(t);
      const { pid = 0 } = await start(t, server, program);
      // The time between its last output and its system call.
      while (socketUse([pid], new Set([inode])) !== expected) await turn();
      assert.equal(socketUse([pid], new Set([inode + 1_000_000])), 'unused');
    });

  it('has exited is unknown', () => {
    assert.equal(socketUse([2 ** 22 + 1], new Set([1])), 'unknown');
  });
});

it('an io_uring is idle if no request in it waits for a file', () => {
  const text = (requests: number, list: string) =>
    `SqTail:\t3\nSQEs:\t${requests}\nCQEs:\t0\nUserBufs:\t0\n${list}CqOverflowList:\nNAPI:\tdisabled\n`;
  assert.equal(isRingIdle(text(0, 'PollList:\n')), true);
  // Linux 5.10 does not print the requests that are not submitted yet.
  assert.equal(isRingIdle('UserBufs:\t0\nPollList:\n'), true);
  assert.equal(isRingIdle(text(0, 'PollList:\n  op=13, task_works=0\n')), false);
  assert.equal(isRingIdle(text(1, 'PollList:\n')), false);
  assert.equal(isRingIdle(text(0, '')), false);
  assert.equal(isRingIdle(''), false);
});
