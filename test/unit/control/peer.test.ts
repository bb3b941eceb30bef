import assert from 'node:assert/strict';
import { chmodSync, mkdirSync } from 'node:fs';
import net from 'node:net';
import { type TestContext, test } from 'node:test';
import { refusedPeer } from '../../../src/control/peer.ts';
import { peerGroups } from '../../../src/linux/peer-groups.ts';
import { openPipe } from '../../../src/linux/pipes.ts';
import { peerCredentials } from '../../../src/linux/socket-options.ts';
import { closeFd } from '../../../src/linux/sockets.ts';
import { lookupGroup, lookupUser } from '../../../src/linux/users.ts';
import { ended, readAll, start } from '../linux/support.ts';
import { parseAnswer, request, serve, talk } from './fixture.ts';

const nobody = lookupUser('nobody');
const group = lookupGroup('nogroup') ?? lookupGroup('nobody');
const skip =
  process.geteuid?.() === 0 && nobody && group ? false : 'needs root, and the user and group of nobody';

const SCRIPT = `
  const socket = require('node:net').connect(process.argv[1]);
  socket.on('error', (error) => console.log(error.code));
  socket.on('data', (data) => process.stdout.write(data));
  const [, , line = 'GET /v1/status', body = ''] = process.argv;
  socket.write(line + ' HTTP/1.1\\r\\nHost: zero\\r\\nContent-Length: ' + body.length + '\\r\\nContent-Type: application/json\\r\\n\\r\\n' + body);
`;

/** The response of the socket to another user. */
async function asNobody(
  path: string,
  groups: readonly string[],
  ...asked: readonly string[]
): Promise<string> {
  const pipe = openPipe();
  const pid = start({
    path: '/usr/bin/setpriv',
    argv: ['setpriv', `--reuid=${nobody?.uid}`, ...groups, process.execPath, '-e', SCRIPT, path, ...asked],
    descriptors: new Map([[1, pipe.write]]),
  });
  closeFd(pipe.write);
  const text = (await readAll(pipe.read)).toString();
  await ended(pid);
  return text;
}

async function open(t: TestContext, options: Parameters<typeof serve>[1]) {
  const served = await serve(t, options);
  chmodSync(served.folder, 0o755);
  return served;
}

test('the kernel refuses another user', { skip }, async (t) => {
  const { path, warnings } = await open(t, {});
  assert.equal(await asNobody(path, ['--clear-groups', '--regid=12345']), 'EACCES\n');
  assert.deepEqual(warnings, []);
});

test('the credentials of the peer are checked if the file permits everybody', { skip }, async (t) => {
  const { path, warnings, control } = await open(t, { mode: 0o666 });
  const { status, body } = parseAnswer(await asNobody(path, ['--clear-groups', '--regid=12345']));
  assert.equal(status, 403);
  assert.deepEqual(body, {
    error: { code: 'forbidden', message: `uid ${nobody?.uid} may not control this zero` },
  });
  assert.match(warnings[0] ?? '', /uid \d+ tried to connect and was refused/);
  assert.deepEqual(control.calls, []);
  assert.equal((await request(t, path, 'GET /v1/status')).status, 200);
});

test('members of the group are accepted, by primary or supplementary group', { skip }, async (t) => {
  const { path } = await open(t, { mode: 0o660, group: group?.name ?? null });
  const gid = group?.gid;
  for (const groups of [
    ['--clear-groups', `--regid=${gid}`],
    ['--regid=12345', `--groups=12346,${gid}`],
  ]) {
    assert.equal(parseAnswer(await asNobody(path, groups)).status, 200);
  }
  assert.equal(await asNobody(path, ['--clear-groups', '--regid=12345']), 'EACCES\n');
});

test('a member of the group may not choose the program of an upgrade', { skip }, async (t) => {
  const { path, control, warnings } = await open(t, { mode: 0o660, group: group?.name ?? null });
  const as = ['--clear-groups', `--regid=${group?.gid}`];
  const upgrade = (body: object) => asNobody(path, as, 'POST /v1/upgrade', JSON.stringify(body));
  for (let round = 0; round < 3; round += 1) {
    const { status, body } = parseAnswer(await upgrade({ path: '/tmp/evil', node: '/tmp/evil' }));
    assert.equal(status, 403);
    assert.match(JSON.stringify(body), /may not specify the program of an upgrade/);
  }
  assert.deepEqual(control.calls, []);
  assert.deepEqual(warnings, [
    `control socket ${path}: uid ${nobody?.uid} tried to specify the program of an upgrade and was refused`,
  ]);
  const answered = async (request: Promise<unknown>) => {
    const count = control.upgrades.length;
    await control.until(() => control.upgrades.length > count);
    const { options, answer } = control.upgrades.at(-1) ?? assert.fail();
    answer({ ok: false, message: 'not now' });
    await request;
    return options;
  };
  const member = await answered(upgrade({ node: '/tmp/evil' }));
  assert.deepEqual([member.path, member.node], [null, null]);
  // The user of zero is root here.
  const body = '{"path":"/opt/zero","node":"/opt/node"}';
  const head = `POST /v1/upgrade HTTP/1.1\r\nHost: zero\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
  const root = await answered(talk(t, path, `${head}\r\n\r\n${body}`));
  assert.deepEqual([root.path, root.node], ['/opt/zero', '/opt/node']);
});

test('a socket without a descriptor is refused', () => {
  assert.equal(refusedPeer(new net.Socket(), { uid: 0, gid: null }), 'a process that has exited');
});

test('a peer may have more groups than the first buffer holds', { skip }, async (t) => {
  const { folder } = await open(t, {});
  mkdirSync(`${folder}/open`, { mode: 0o755 });
  const path = `${folder}/open/socket`;
  const many = Array.from({ length: 100 }, (_, index) => 20_000 + index);
  const found = new Promise<number[]>((resolve) => {
    const server = net.createServer((socket) => {
      const handle = Reflect.get(socket, '_handle') as { fd: number };
      assert.equal(peerCredentials(handle.fd).uid, nobody?.uid);
      resolve(peerGroups(handle.fd));
      socket.destroy();
    });
    t.after(() => void server.close());
    server.listen(path, () => {
      chmodSync(path, 0o666);
      void asNobody(path, ['--regid=12345', `--groups=${many.join(',')}`]);
    });
  });
  assert.deepEqual(await found, many);
});
