import assert from 'node:assert/strict';
import { openSync } from 'node:fs';
import { describe, it } from 'node:test';
import { openPipe } from '../../src/linux/pipes.ts';
import { closeFd, connectSocket, openSocket } from '../../src/linux/sockets.ts';
import { ask } from '../support/ask.ts';
import {
  type HeldSocket,
  holdSocket,
  listenForNotifications,
  startProgram,
} from '../support/handed-program.ts';
import { fixture } from '../support/paths.ts';
import { parseTarget } from '../support/target.ts';
import type { Scope } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';

/** A service that uses the library, with the socket as descriptor 3. */
function start(
  scope: Scope,
  socket: HeldSocket,
  options: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string>> = {},
) {
  const args = [fixture('library.js'), JSON.stringify(options)];
  const sockets = [socket];
  return startProgram(scope, { args, sockets, environment: { NODE_OPTIONS: undefined, ...environment } });
}

describe('a service that uses the library', () => {
  const wanted: [string, (socket: HeldSocket) => Record<string, unknown>][] = [
    ['name', () => ({ name: 'web', port: 0 })],
    ['port', ({ where }) => ({ port: Number(where) })],
    ['address', ({ where }) => ({ host: 'localhost', port: Number(where) })],
  ];
  for (const [by, options] of wanted) {
    it(`takes its socket from ${by}, and reports the source`, DEADLINE, async (t) => {
      const socket = holdSocket(t);
      const notified = listenForNotifications(t);
      const program = start(t, socket, options(socket), {
        LISTEN_FDNAMES: 'web',
        NOTIFY_SOCKET: notified.path,
      });
      await program.line('ready on');
      assert.equal(await notified.next(), 'READY=1');
      assert.equal((await ask('http', parseTarget(socket.address))).pid, program.pid);
      program.process.kill('SIGHUP');
      assert.match(await program.line('SUPERVISED'), /systemd starts new versions .* systemctl .*restart /);
      program.process.kill('SIGTERM');
      assert.deepEqual(await program.exited, { code: 0, signal: null }, program.output());
    });
  }

  it('reports a descriptor that differs from its variables', DEADLINE, async (t) => {
    const socket = holdSocket(t);
    const other = holdSocket(t);
    const connected = openSocket('inet', 'stream');
    const pipe = openPipe();
    const file = openSync('/dev/null', 'r');
    t.after(() => {
      for (const fd of [connected, pipe.read, pipe.write, file]) closeFd(fd);
    });
    connectSocket(connected, { family: 'inet', host: '127.0.0.1', port: Number(other.where) });
    const listeners = (fd: number) => JSON.stringify([{ name: 'web', fd, address: socket.address }]);
    const wrong: [number, string, string][] = [
      [file, listeners(3), 'descriptor 3 (web), handed over by zero, is not a socket but /dev/null'],
      [pipe.read, listeners(3), 'descriptor 3 (web), handed over by zero, is not a socket but pipe:'],
      [connected, listeners(3), 'descriptor 3 (web), handed over by zero, is a socket that does not listen'],
      [socket.fd, listeners(900), 'descriptor 900 (web), handed over by zero, is not open in this process'],
      [other.fd, listeners(3), `listens on ${other.address}, not on ${socket.address}`],
      [socket.fd, '{', 'ZERO_LISTENERS is not a JSON array of {"name", "fd", "address"}: {'],
    ];
    for (const [fd, ZERO_LISTENERS, message] of wrong) {
      const options = { host: '127.0.0.1', port: Number(socket.where) };
      const program = start(t, { ...socket, fd }, options, { ZERO_LISTENERS });
      const line = await program.line('HandedError: ');
      assert.ok(line.includes(message), line);
      assert.equal((await program.exited).code, 1);
    }
  });
});
