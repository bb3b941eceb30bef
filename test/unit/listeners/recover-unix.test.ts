import assert from 'node:assert/strict';
import { existsSync, lstatSync, readdirSync, unlinkSync } from 'node:fs';
import { test } from 'node:test';
import { acceptSocket, closeFd, connectSocket, openSocket } from '../../../src/linux/sockets.ts';
import { continued, died, type Fate } from './dead-supervisor.ts';
import { listener, only, temporaryFolder } from './fixture.ts';
import { to } from './lanes/lane-support.ts';

/** The descriptor at which a client of the path arrives; -1: none of them. */
function laneOf(path: string, fds: readonly number[]): number {
  const client = openSocket('unix', 'stream');
  try {
    connectSocket(client, { family: 'unix', path });
    return fds.findIndex((fd) => {
      const accepted = acceptSocket(fd);
      if (accepted !== null) closeFd(accepted.fd);
      return accepted !== null;
    });
  } finally {
    closeFd(client);
  }
}

const NAMES = [0, 1, 2].flatMap((lane) => [`.app.sock.${lane}`, `.app.sock.zero-${lane}`]);

test('the public name stays with its lane, and moves with the next change', async (t) => {
  const folder = temporaryFolder(t);
  const path = `${folder}/app.sock`;
  const death = { lanes: 3, steering: to([1, 2]), given: [1, 2] };
  const dead = await died(t, listener('app', `unix:${path}`, { steer: true }), death);
  const fds = [0, 1, 2].map((lane) => dead.fds.get(lane) ?? -1);
  assert.equal(laneOf(path, fds), 1);
  const { set, acquired, missing } = await continued(t, dead, death);
  assert.deepEqual(missing, []);
  const app = only(acquired);
  assert.equal(app.regain(1, 1), fds[1]);
  assert.equal(app.regain(2, 1), fds[1]);
  assert.equal(laneOf(path, fds), 1);
  assert.deepEqual(readdirSync(folder).sort(), [...NAMES, 'app.sock'].sort());
  set.steer(to([2, 1]));
  assert.equal(laneOf(path, fds), 1, 'both have the socket of their first lane');
  set.steer(to([0]));
  assert.equal(laneOf(path, fds), 0);
  assert.deepEqual(set.laneFaults(), []);
  acquired.release();
  assert.deepEqual(readdirSync(folder), []);
});

test('missing names are created again', async (t) => {
  const folder = temporaryFolder(t);
  const path = `${folder}/app.sock`;
  const death = { lanes: 3, steering: to([1]) };
  const dead = await died(t, listener('app', `unix:${path}`, { steer: true }), death);
  const fds = [0, 1, 2].map((lane) => dead.fds.get(lane) ?? -1);
  for (const name of [path, `${folder}/.app.sock.1`, `${folder}/.app.sock.zero-2`]) unlinkSync(name);
  const { set } = await continued(t, dead, death);
  assert.deepEqual(set.laneFaults(), [{ listener: 'app', lane: 1, kind: 'name_taken' }]);
  assert.equal(laneOf(path, fds), 1);
  assert.deepEqual(readdirSync(folder).sort(), [...NAMES, 'app.sock'].sort());
});

test('closed lanes are opened again, and the public one keeps serving', async (t) => {
  const folder = temporaryFolder(t);
  const path = `${folder}/app.sock`;
  for (const left of ['taken', 'out of reach'] as const) {
    const fate = (lane: number): Fate => (lane === 1 ? left : 'closed');
    const death = { lanes: 3, steering: to([1]), given: [1], fate };
    const dead = await died(t, listener('app', `unix:${path}`, { steer: true }), death);
    const worker = dead.fds.get(1) ?? -1;
    const { set, acquired } = await continued(t, dead, death);
    const app = only(acquired);
    assert.equal(app.regain(1, 1), left === 'taken' ? worker : null);
    assert.equal(laneOf(path, [worker]), 0);
    const young = app.fdOf(0, 0);
    set.steer(to([0]));
    assert.equal(laneOf(path, [worker, young]), 1);
    set.steer(to([1]));
    assert.equal(laneOf(path, [worker, young]), 0);
    const again = app.fdOf(1, 1);
    assert.equal(laneOf(path, [worker, young, again]), left === 'taken' ? 0 : 2);
    assert.deepEqual(set.laneFaults(), []);
    acquired.release();
    assert.deepEqual(readdirSync(folder), []);
  }
});

for (const network of ['unix', 'unixgram']) {
  test(`${network}: the path of a shared listener is kept, and restored`, async (t) => {
    const folder = temporaryFolder(t);
    const path = `${folder}/app.sock`;
    const dead = await died(t, listener('app', `${network}:${path}`));
    const { ino } = lstatSync(path);
    const { set, acquired } = await continued(t, dead);
    assert.equal(only(acquired).fd, dead.fds.get(0));
    assert.equal(lstatSync(path).ino, ino);
    unlinkSync(path);
    assert.deepEqual(set.laneFaults(), [{ listener: 'app', lane: 0, kind: 'name_taken' }]);
    assert.equal(lstatSync(path).ino, ino);
    acquired.release();
    assert.ok(!existsSync(path));
    assert.deepEqual(readdirSync(folder), []);
  });
}
