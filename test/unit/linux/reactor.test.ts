import assert from 'node:assert/strict';
import { readdirSync, readSync, writeSync } from 'node:fs';
import { afterEach, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { errnoNumber } from '../../../src/linux/errors.ts';
import { useLibc } from '../../../src/linux/libc.ts';
import { openPipe } from '../../../src/linux/pipes.ts';
import { Reactor, reactor } from '../../../src/linux/reactor.ts';
import { closeFd } from '../../../src/linux/sockets.ts';
import { ended, readAll, readable, start } from './support.ts';

const pipes: number[] = [];
function pipe() {
  const ends = openPipe();
  pipes.push(ends.read, ends.write);
  return {
    ...ends,
    fill: () => writeSync(ends.write, 'x'),
    drain: () => readSync(ends.read, Buffer.alloc(16)),
  };
}
afterEach(() => {
  reactor.close();
  for (const fd of pipes.splice(0)) closeFd(fd);
});

test('watches that are added during a blocked wait are served', async () => {
  const [first, second] = [pipe(), pipe()];
  let firstCalls = 0;
  reactor.watch(first.read, () => {
    firstCalls += 1;
  });
  await new Promise(setImmediate);
  const done = readable(second.read);
  second.fill();
  await done;
  assert.equal(firstCalls, 0);
});

test('a level-triggered watch is called until its data is read', async () => {
  const { read, fill, drain } = pipe();
  let calls = 0;
  fill();
  await new Promise<void>((resolve) => {
    const watch = reactor.watch(read, () => {
      calls += 1;
      if (calls < 3) return;
      drain();
      watch.close();
      resolve();
    });
  });
  assert.equal(calls, 3);
});

test('a watch of arrivals is called at its start, then once for each arrival, even if nothing is read', async () => {
  const { read, fill } = pipe();
  const other = pipe();
  let calls = 0;
  const next = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
    });
  let wake = (): void => {};
  fill();
  let called = next();
  reactor.watch(
    read,
    () => {
      calls += 1;
      wake();
    },
    'arrival',
  );
  await called;
  // The thread of the reactor waits now, and must not consume the next event.
  await new Promise(setImmediate);
  called = next();
  fill();
  await called;
  // Ten rounds of the reactor. A level-triggered watch would be called in each of them.
  for (let round = 0; round < 10; round += 1) {
    const done = readable(other.read);
    other.fill();
    await done;
    other.drain();
  }
  assert.equal(calls, 2);
});

test('an exception in one callback does not prevent the call of another one', async () => {
  const { status, printed } = await program(`
    process.on('uncaughtException', () => console.log('caught'));
    const { read: second, write: end } = openPipe();
    writeSync(write, 'x');
    writeSync(end, 'x');
    const arrival = (name) => () => {
      console.log(name);
      if (name === 'second') setImmediate(() => reactor.close());
      throw new Error('boom');
    };
    reactor.watch(read, arrival('first'), 'arrival');
    reactor.watch(second, arrival('second'), 'arrival');`);
  assert.deepEqual(status, { kind: 'exited', code: 0 });
  assert.equal(printed, 'first\nsecond\ncaught\ncaught\n');
});

test('a watch that another callback closes in the same round is not called', async () => {
  const [a, b] = [pipe(), pipe()];
  a.fill();
  b.fill();
  const called: string[] = [];
  await new Promise<void>((resolve) => {
    const watches = [a, b].map(({ read }, index) =>
      reactor.watch(read, () => {
        called.push(String(index));
        for (const watch of watches) watch.close();
        resolve();
      }),
    );
  });
  await readable(pipeWithByte());
  assert.equal(called.length, 1);
});

function pipeWithByte(): number {
  const { read, fill } = pipe();
  fill();
  return read;
}

test('a reused descriptor number belongs to the new watch only', async () => {
  const old = openPipe();
  let wrong = 0;
  const keep = reactor.watch(pipe().read, () => undefined);
  const watch = reactor.watch(old.read, () => {
    wrong += 1;
  });
  watch.close();
  closeFd(old.read);
  closeFd(old.write);
  const next = openPipe();
  assert.equal(next.read, old.read);
  const done = readable(next.read);
  writeSync(next.write, 'x');
  await done;
  keep.close();
  watch.close();
  assert.equal(wrong, 0);
  closeFd(next.read);
  closeFd(next.write);
});

test('the exit of the writer is reported', async () => {
  const { read, write } = openPipe();
  const done = readable(read);
  closeFd(write);
  await done;
  assert.equal(readSync(read, Buffer.alloc(1)), 0);
  closeFd(read);
});

test('an unsupported descriptor is refused, and leaves no watch', async () => {
  const before = readdirSync('/proc/self/fd').length;
  const own = new Reactor();
  assert.throws(() => own.watch(999, () => undefined), { code: 'EBADF', syscall: 'epoll_ctl' });
  const restore = useLibc({ epoll_create1: () => -1, errno: () => errnoNumber('EMFILE') });
  assert.throws(() => own.watch(0, () => undefined), { code: 'EMFILE', syscall: 'epoll_create1' });
  restore();
  assert.equal(readdirSync('/proc/self/fd').length, before);
});

test('a number may be closed and reused immediately', async () => {
  const own = new Reactor();
  const { read, fill } = pipe();
  own.watch(read, () => assert.fail('was closed'));
  own.close();
  fill();
  await new Promise<void>((resolve) => {
    own.watch(read, () => {
      own.close();
      resolve();
    });
  });
});

const modules = (name: string) =>
  JSON.stringify(pathToFileURL(`${import.meta.dirname}/../../../src/linux/${name}.js`));

/** Runs a program with `watch` (of a pipe without data) in scope. Returns its output and its exit. */
async function program(body: string) {
  const output = openPipe();
  const text = `
    import { reactor } from ${modules('reactor')};
    import { openPipe } from ${modules('pipes')};
    import { readFileSync, readdirSync, readSync, writeSync } from 'node:fs';
    const { read, write } = openPipe();
    const blocked = () => new Promise((resolve) => setImmediate(resolve));
    ${body}`;
  const pid = start({
    path: process.execPath,
    argv: ['node', '--input-type=module', '-e', text],
    descriptors: new Map([
      [1, output.write],
      [2, output.write],
    ]),
  });
  closeFd(output.write);
  const printed = (await readAll(output.read)).toString();
  return { printed, status: await ended(pid) };
}

test('process.exit ends a program whose reactor waits', async () => {
  const { status } = await program('reactor.watch(read, () => {}); await blocked(); process.exit(7);');
  assert.deepEqual(status, { kind: 'exited', code: 7 });
});

test('an uncaught exception ends a program whose reactor waits', async () => {
  const { status, printed } = await program(
    'reactor.watch(read, () => {}); await blocked(); throw new Error("boom");',
  );
  assert.deepEqual(status, { kind: 'exited', code: 1 });
  assert.match(printed, /boom/);
});

test('an exception in a callback is an uncaught exception', async () => {
  const { status, printed } = await program(
    'reactor.watch(read, () => { throw new Error("boom"); }); await blocked(); writeSync(write, "x");',
  );
  assert.deepEqual(status, { kind: 'exited', code: 1 });
  assert.match(printed, /boom/);
});

test('the reactor continues if uncaught exceptions are handled', async () => {
  const { status, printed } = await program(`
    process.on('uncaughtException', () => console.log('caught'));
    let calls = 0;
    const watch = reactor.watch(read, () => {
      calls += 1;
      if (calls < 3) throw new Error('boom');
      watch.close();
    });
    writeSync(write, 'x');`);
  assert.deepEqual(status, { kind: 'exited', code: 0 });
  assert.equal(printed, 'caught\ncaught\n');
});

test('the program exits after its last watch is closed', async () => {
  const { status, printed } = await program(
    `process.on('exit', () => console.log('end', readdirSync('/proc/self/fd').some((fd) => fd === String(read))));
     const watch = reactor.watch(read, () => {}); await blocked(); watch.close();`,
  );
  assert.deepEqual(status, { kind: 'exited', code: 0 });
  assert.equal(printed, 'end true\n');
});

test('a watch keeps the program alive', async () => {
  const { status, printed } = await program(`
    import { spawnProcess } from ${modules('spawn')};
    const watch = reactor.watch(read, () => { console.log('read'); watch.close(); });
    spawnProcess({ path: '/bin/sh', argv: ['sh', '-c', 'echo x >&5'], environment: [], descriptors: new Map([[5, write]]) });`);
  assert.deepEqual(status, { kind: 'exited', code: 0 });
  assert.equal(printed, 'read\n');
});
