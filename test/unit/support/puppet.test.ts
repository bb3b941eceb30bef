import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { guardProcesses } from '../../support/guard.ts';
import { startLoad } from '../../support/load.ts';
import { identify, isRunning } from '../../support/processes.ts';
import type { Puppet } from '../../support/puppet.ts';
import { startPuppets } from '../../support/puppets.ts';

const LIMIT = { timeout: 30_000 };

/** A puppet as a child of this test, with its stdout and exit. */
async function startPuppet(t: TestContext, environment: Record<string, string> = {}) {
  const puppets = await startPuppets(t);
  const [program, script] = puppets.command;
  const child = spawn(program, [script], {
    env: { ...puppets.environment, ZERO_GENERATION: '5', ZERO_WORKER: '2', ...environment },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    detached: true,
  });
  guardProcesses(t).own(child.pid ?? 0);
  const exit = new Promise<string | number | null>((resolve) =>
    child.once('exit', (code, signal) => resolve(signal ?? code)),
  );
  return { child, exit, puppets, puppet: await puppets.next() };
}

async function serving(puppet: Puppet): Promise<string> {
  const { port } = (await puppet.listen({ host: '127.0.0.1', port: 0 })) as { port: number };
  return `127.0.0.1:${port}`;
}

test('a puppet reports how it was started', LIMIT, async (t) => {
  const { child, puppet } = await startPuppet(t, { 'dotted.name': 'a\nb', EMPTY: '' });
  assert.equal(puppet.pid, child.pid);
  assert.deepEqual(
    [puppet.generation, puppet.announcement.worker, puppet.announcement.sid],
    [5, 2, child.pid],
  );
  const environment = puppet.environment.map(String);
  assert.ok(environment.includes('dotted.name=a\nb') && environment.includes('EMPTY='));
  assert.equal(puppet.argv[0], process.execPath);
  assert.equal(puppet.announcement.cwd, process.cwd());
  assert.equal(puppet.announcement.uid, process.getuid?.());
  assert.match(puppet.announcement.limits['Max open files']?.hard ?? '', /^\d+$|unlimited/);
});

test('a puppet serves, holds requests, and drains without losing one', LIMIT, async (t) => {
  const { puppet, exit, child } = await startPuppet(t);
  const target = await serving(puppet);
  const first = await startLoad(t, { target, clients: 2, count: 20 }).finished;
  assert.deepEqual(first.byGeneration, { 5: 20 });
  await puppet.behave({ hold: true });
  const load = startLoad(t, { target, clients: 1, count: 1 });
  await puppet.event('request');
  child.kill('SIGTERM');
  await puppet.event('signal', { signal: 'SIGTERM' });
  assert.equal(await puppet.answer(), 1);
  assert.deepEqual((await load.finished).failures, {});
  assert.equal(await exit, 0);
});

test('a puppet reports its status on request', LIMIT, async (t) => {
  const { puppet } = await startPuppet(t);
  const target = await serving(puppet);
  await puppet.behave({ status: 503 });
  assert.deepEqual((await startLoad(t, { target, count: 1 }).finished).failures, { status_503: 1 });
  await puppet.stopListening();
  assert.deepEqual((await startLoad(t, { target, count: 1 }).finished).failures, { refused: 1 });
  await assert.rejects(puppet.listen({ name: 'http' }), /no descriptor is named http/);
});

test('a puppet reports signals, and exits with a code', LIMIT, async (t) => {
  const { puppet, exit, child } = await startPuppet(t);
  await puppet.onSignal('SIGHUP', 'report');
  await puppet.onSignal('SIGTERM', 'report');
  child.kill('SIGHUP');
  child.kill('SIGTERM');
  await puppet.event('signal', { signal: 'SIGHUP' });
  await puppet.event('signal', { signal: 'SIGTERM' });
  await puppet.exit(7);
  assert.equal(await exit, 7);
  await puppet.gone;
  await assert.rejects(puppet.ready(), /left/);
});

test('a puppet dies by a signal', LIMIT, async (t) => {
  const { puppet, exit } = await startPuppet(t);
  await puppet.die('SIGKILL');
  assert.equal(await exit, 'SIGKILL');
});

test('a puppet writes to its descriptors, any amount without a newline', LIMIT, async (t) => {
  const { puppet, child } = await startPuppet(t);
  const ready = new Promise((resolve) => child.stdio[3]?.once('data', (chunk) => resolve(String(chunk))));
  await puppet.write(3, 'ready\n');
  assert.equal(await ready, 'ready\n');
  let bytes = 0;
  let newlines = 0;
  child.stdout?.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    newlines += chunk.filter((byte) => byte === 10).length;
  });
  const ended = new Promise((resolve) => child.stdout?.once('end', resolve));
  await puppet.output('stdout', 200_000);
  await puppet.output('stdout', 100_001, 'binary');
  await puppet.closeFd(1);
  await ended;
  assert.deepEqual([bytes, newlines], [300_001, 0]);
  assert.equal((await puppet.look()).pid, puppet.pid);
});

test('the guard kills remaining children of a puppet', LIMIT, async (t) => {
  const { puppet, exit, puppets } = await startPuppet(t);
  const same = identify(await puppet.fork('same', true));
  const successor = await puppet.successor([], 'new');
  const next = await puppets.next();
  assert.deepEqual([next.pid, next.announcement.sid], [successor, successor]);
  const daemon = identify(await puppet.daemonise());
  assert.equal(await exit, 0);
  for (const known of [same, daemon]) assert.ok(known !== null && isRunning(known));
});

for (const how of ['busy', 'stopped'] as const) {
  test(`a puppet hangs: ${how}`, LIMIT, async (t) => {
    const { puppet, child, exit } = await startPuppet(t);
    const target = await serving(puppet);
    await puppet.hang(how);
    const load = await startLoad(t, { target, clients: 1, count: 1, requestTimeout: 50 }).finished;
    assert.deepEqual(load.failures, { timed_out: 1 });
    child.kill('SIGKILL');
    assert.equal(await exit, 'SIGKILL');
  });
}

test('the reporter receives exactly its parameters', LIMIT, async (t) => {
  const puppets = await startPuppets(t);
  const child = spawn(puppets.reporter[0], ['a b', ''], {
    env: { ...puppets.environment, 'x.y': 'ä\n' },
    stdio: ['ignore', 'ignore', 'ignore', 'ignore', 'pipe'],
  });
  const exit = new Promise((resolve) => child.once('exit', resolve));
  const puppet = await puppets.next();
  // Higher ones may be inherited from the parent of this test: spawn does not close them.
  const low = Object.keys(puppet.announcement.fds).filter((fd) => Number(fd) < 10);
  assert.deepEqual(low, ['0', '1', '2', '4']);
  assert.equal(puppet.announcement.fds['0'], '/dev/null');
  assert.match(puppet.announcement.fds['4'] ?? '', /^socket:\[\d+\]$/);
  assert.deepEqual(puppet.environment.map(String).sort(), [
    `PUPPET_SOCKET=${puppets.environment.PUPPET_SOCKET}`,
    'x.y=ä\n',
  ]);
  assert.deepEqual(puppet.argv.slice(-2), ['a b', '']);
  assert.equal(puppet.announcement.umask, process.umask());
  const { puppet: other } = await startPuppet(t);
  assert.deepEqual(puppet.announcement.groups, other.announcement.groups);
  assert.deepEqual(Object.keys(puppet.announcement).sort(), Object.keys(other.announcement).sort());
  await puppet.exit(3).catch(() => undefined);
  assert.equal(await exit, 3);
});

test('a puppet exits when the test disconnects', LIMIT, async (t) => {
  const { puppet, exit } = await startPuppet(t);
  puppet.hangUp();
  assert.equal(await exit, 0);
});
