import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { closeSync, existsSync, fstatSync, mkdtempSync, openSync, readSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, beforeEach, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { sendDatagram } from '../../../src/linux/datagrams.ts';
import { errnoNumber, SystemError } from '../../../src/linux/errors.ts';
import { linux } from '../../../src/linux/kernel.ts';
import { openPipe } from '../../../src/linux/pipes.ts';
import { NotifySocket } from '../../../src/readiness/index.ts';
import { startNotifyGate } from '../../../src/readiness/notify.ts';
import { fixture } from '../../support/paths.ts';
import { verdictOf } from './verdict.ts';

const run = promisify(execFile);

const directory = mkdtempSync(join(tmpdir(), 'zero-notify-'));
after(() => rmSync(directory, { recursive: true, force: true }));

const uid = process.getuid?.() ?? 0;
const gid = process.getgid?.() ?? 0;
let socket: NotifySocket;
let warnings: string[];
let heard: { text: string; pid: number }[];
let path: string;
let count = 0;

beforeEach(() => {
  count += 1;
  path = join(directory, `${count}.sock`);
  warnings = [];
  heard = [];
  socket = new NotifySocket({
    kernel: linux,
    path,
    owner: { uid, gid },
    warn: (message) => warnings.push(message),
  });
  socket.subscribe((message, sender) => heard.push({ text: message.kind, pid: sender.pid }));
});
afterEach(() => socket.close());

/** Resolves when every earlier message has been read: the datagrams of one socket keep their order. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    const end = socket.subscribe((message) => {
      if (message.kind !== 'status' || message.text !== 'settled') return;
      end();
      resolve();
    });
    sendDatagram(path, 'STATUS=settled');
  });
}

describe('a notify socket', () => {
  it('belongs to the worker and is removed by close', () => {
    assert.equal(statSync(path).mode & 0o777, 0o600);
    socket.close();
    socket.close();
    assert.equal(existsSync(path), false);
  });

  it('receives messages with their sender', async () => {
    sendDatagram(path, 'READY=1\nMAINPID=7');
    await settled();
    assert.deepEqual(heard, [
      { text: 'ready', pid: process.pid },
      { text: 'main_pid', pid: process.pid },
      { text: 'status', pid: process.pid },
    ]);
    assert.equal(socket.ready, true);
    assert.deepEqual(warnings, []);
  });

  it('warns once about invalid messages and counts the rest', async () => {
    sendDatagram(path, Buffer.from([0, 1, 2, 255]));
    sendDatagram(path, `STATUS=${'x'.repeat(5000)}`);
    sendDatagram(path, 'hello');
    await settled();
    assert.equal(socket.ignored, 3);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', /ignored a message that is not KEY=VALUE from pid \d+/);
  });

  it('keeps reading during a flood', async () => {
    for (let index = 0; index < 300; index += 1) {
      sendDatagram(path, 'x');
      // The kernel's queue is short (net.unix.max_dgram_qlen), so the reader runs in between.
      if (index % 5 === 4) await settled();
    }
    await settled();
    assert.equal(socket.ignored, 300);
    assert.equal(warnings.length, 1);
  });

  it('reads every queued message before the exit of its worker is evaluated', () => {
    for (let pid = 2; pid < 9; pid += 1) sendDatagram(path, `MAINPID=${pid}`);
    assert.deepEqual(heard, []);
    socket.drain();
    assert.equal(heard.length, 7);
    socket.drain();
    assert.equal(heard.length, 7);
  });

  it('warns once when it cannot be read, and retries', async () => {
    socket.close();
    let failures = 2;
    socket = new NotifySocket({
      kernel: {
        ...linux,
        receiveDatagram(fd) {
          failures -= 1;
          if (failures >= 0) throw new SystemError('recvmsg', errnoNumber('ENOMEM'));
          return linux.receiveDatagram(fd);
        },
      },
      path,
      owner: { uid, gid },
      warn: (message) => warnings.push(message),
    });
    await settled();
    assert.deepEqual(warnings, [
      `notify socket ${path}: recvmsg: ENOMEM: not enough memory. zero tries again.`,
    ]);
  });

  it('answers a barrier by closing its descriptor', async () => {
    const { read, write } = openPipe();
    sendDatagram(path, 'BARRIER=1', [write]);
    closeSync(write);
    await settled();
    assert.equal(readSync(read, Buffer.alloc(1)), 0);
    closeSync(read);
  });

  it('closes all descriptors that it receives', async () => {
    const { read, write } = openPipe();
    sendDatagram(path, 'FDSTORE=1\nFDNAME=x', [write, write, write]);
    closeSync(write);
    await settled();
    assert.equal(readSync(read, Buffer.alloc(1)), 0);
    closeSync(read);
    assert.deepEqual(heard[0], { text: 'store_descriptors', pid: process.pid });
  });

  it('refuses another user', { skip: uid !== 0 && 'needs root' }, async () => {
    socket.close();
    // Every user may send to the abstract name. The sender's user decides.
    const name = `@zero-notify-test-${process.pid}`;
    socket = new NotifySocket({
      kernel: linux,
      path: name,
      owner: { uid: 12345, gid },
      warn: (message) => warnings.push(message),
    });
    path = name;
    const send = async (sender: number): Promise<number> => {
      const script = `import { notify } from ${JSON.stringify(pathToFileURL(fixture('notify.js')))};
        console.log(await notify(Buffer.from('READY=1'), { socket: '${name}', uid: ${sender} }));`;
      const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script]);
      return Number(stdout);
    };
    const foreign = await send(54321);
    await settled();
    assert.equal(socket.ready, false);
    assert.deepEqual(warnings, [
      `notify socket ${name}: refused a message from uid 54321 (pid ${foreign}): only the user of the worker may send messages`,
    ]);
    await send(12345);
    await settled();
    assert.equal(socket.ready, true);
  });

  it('passes the gate', async () => {
    const { callbacks, verdict, calls } = verdictOf();
    const gate = startNotifyGate(socket, callbacks);
    assert.equal(gate.lastReason(), 'no READY=1 received on NOTIFY_SOCKET');
    sendDatagram(path, 'STATUS=loading the index');
    await settled();
    sendDatagram(path, 'STATUS=loading the index');
    sendDatagram(path, 'READY=1');
    assert.equal(await verdict, 'passed');
    assert.equal(gate.lastReason(), 'no READY=1: loading the index');
    sendDatagram(path, 'READY=1');
    await settled();
    assert.deepEqual(calls, ['passed']);
    gate.close();
  });

  it('passes a gate that was created after READY=1', async () => {
    sendDatagram(path, 'READY=1');
    await settled();
    const { callbacks, verdict } = verdictOf();
    startNotifyGate(socket, callbacks);
    assert.equal(await verdict, 'passed');
  });

  it('leaks no descriptor', () => {
    const probe = openSync('/dev/null', 'r');
    closeSync(probe);
    socket.close();
    for (let index = 0; index < 20; index += 1) {
      new NotifySocket({ kernel: linux, path, owner: { uid, gid }, warn: () => {} }).close();
    }
    const again = openSync('/dev/null', 'r');
    assert.ok(again <= probe);
    assert.ok(fstatSync(again).isCharacterDevice());
    closeSync(again);
  });
});
