import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { createDatagramSocket, receiveDatagram } from '../../../../src/linux/datagrams.ts';
import { closeFd } from '../../../../src/linux/sockets.ts';
import { tellManagers, tellReloading } from '../../../../src/service/ready/index.ts';
import { notification } from '../../../../src/service/ready/managers.ts';
import { type Scope, temporaryFolder } from '../../../support/temporary.ts';

const NAMES = [
  'NOTIFY_SOCKET',
  'EINHORN_SOCK_PATH',
  'EINHORN_MASTER_PID',
  'ZERO_GENERATION',
  'ZERO_SHUTDOWN_SIGNAL',
];

/** Sets this process's environment for one test. */
function surround(t: Scope, environment: Record<string, string>): void {
  const before = NAMES.map((name) => [name, process.env[name]] as const);
  for (const name of NAMES) delete process.env[name];
  Object.assign(process.env, environment);
  t.after(() => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
}

/** A notify socket, and the messages so far. */
function listenForNotifications(t: Scope): { path: string; read: () => string | undefined } {
  const path = join(temporaryFolder(t), 'notify');
  const fd = createDatagramSocket(path);
  t.after(() => closeFd(fd));
  return { path, read: () => receiveDatagram(fd)?.data.toString() };
}

/** The warnings during `act`. */
async function warningsOf(act: () => Promise<void>): Promise<string[]> {
  const warnings: string[] = [];
  const note = (warning: Error) => warnings.push(`${warning.name}: ${warning.message}`);
  process.on('warning', note);
  await act();
  // Warnings are emitted in the next turn.
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', note);
  return warnings;
}

describe('a notification', () => {
  it('reports readiness, with the main process if that is another one', () => {
    assert.equal(notification({ state: 'ready', mainPid: null, drains: false }, 0n), 'READY=1');
    assert.equal(notification({ state: 'ready', mainPid: 42, drains: false }, 0n), 'MAINPID=42\nREADY=1');
    assert.equal(
      notification({ state: 'ready', mainPid: null, drains: true }, 0n),
      'READY=1\nX_ZERO_DRAINS=1',
    );
  });

  it('reports the start of a reload in the same message', () => {
    assert.equal(
      notification({ state: 'reloading', mainPid: null, drains: false }, 1_234_567_890n),
      'RELOADING=1\nMONOTONIC_USEC=1234567',
    );
  });
});

describe('a service that is ready', () => {
  it('sends nothing without a manager', async (t) => {
    surround(t, {});
    assert.deepEqual(await warningsOf(() => tellManagers()), []);
  });

  it('notifies systemd', async (t) => {
    const { path, read } = listenForNotifications(t);
    surround(t, { NOTIFY_SOCKET: path });
    await tellManagers();
    assert.equal(read(), 'READY=1');
    await tellManagers(process.pid);
    assert.equal(read(), `MAINPID=${process.pid}\nREADY=1`);
    await tellReloading();
    assert.match(read() ?? '', /^RELOADING=1\nMONOTONIC_USEC=\d+$/);
  });

  it('tells zero that it drains itself, if the shutdown signal does not simply end it', async (t) => {
    const { path, read } = listenForNotifications(t);
    surround(t, { NOTIFY_SOCKET: path, ZERO_GENERATION: '1', ZERO_SHUTDOWN_SIGNAL: 'SIGALRM' });
    await tellManagers();
    assert.equal(read(), 'READY=1');
    const drains = () => {};
    process.on('SIGALRM', drains);
    t.after(() => process.off('SIGALRM', drains));
    await tellManagers();
    assert.equal(read(), 'READY=1\nX_ZERO_DRAINS=1');
  });

  it('notifies Einhorn if that is its parent', async (t) => {
    const path = join(temporaryFolder(t), 'einhorn');
    const server = createServer();
    t.after(() => {
      server.close();
    });
    server.listen(path);
    await once(server, 'listening');
    const accepted = once(server, 'connection');
    surround(t, { EINHORN_SOCK_PATH: path, EINHORN_MASTER_PID: String(process.ppid) });
    await tellManagers();
    const [socket] = await accepted;
    let text = '';
    for await (const chunk of socket) text += chunk;
    assert.equal(text, `{"command":"worker:ack","pid":${process.pid}}\n`);
    surround(t, { EINHORN_SOCK_PATH: '/nowhere', EINHORN_MASTER_PID: '1' });
    assert.deepEqual(await warningsOf(() => tellManagers()), []);
  });

  it('warns about a manager that could not be notified, and continues', async (t) => {
    const folder = temporaryFolder(t);
    const notify = join(folder, 'gone');
    const einhorn = join(folder, 'gone-too');
    surround(t, {
      NOTIFY_SOCKET: notify,
      EINHORN_SOCK_PATH: einhorn,
      EINHORN_MASTER_PID: String(process.ppid),
    });
    const warnings = await warningsOf(() => tellManagers());
    assert.equal(warnings.length, 2, warnings.join('\n'));
    assert.ok(
      warnings.some((text) => /^ZerodownWarning: Einhorn was not notified of ready: .*ENOENT/.test(text)),
    );
    const expected = `ZerodownWarning: NOTIFY_SOCKET ${notify} was not notified of READY=1: `;
    assert.ok(warnings.some((text) => text.startsWith(expected) && text.includes('ENOENT')));
  });
});
