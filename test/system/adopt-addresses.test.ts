import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chownSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { type Adoptable, adopt, compiled, configFor, node, startClients } from '../support/adoption.ts';
import { requireProgram } from '../support/debian.ts';
import { freeAddress, freePort } from '../support/free-address.ts';
import { guardProcesses } from '../support/guard.ts';
import { holdRequest } from '../support/held-request.ts';
import { installZero } from '../support/installed.ts';
import { generationInBody } from '../support/load.ts';
import { fixture } from '../support/paths.ts';
import { account, asAccount, requireRoot, sharedFolder } from '../support/privileges.ts';
import { isRunning } from '../support/processes.ts';
import { whoAnswers } from '../support/puppet-service.ts';
import { startByHand, whenAnswering } from '../support/running-service.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero, type Zero } from '../support/zero.ts';

describe('zero adopt takes over', () => {
  for (const [what, host, wanted] of [
    ['IPv6', '::1', '[::1]'],
    ['IPv4 and IPv6 on one socket', '::', '[::]'],
    ['every IPv4 address', '0.0.0.0', 'tcp4:0.0.0.0'],
  ] as const) {
    it(`a service on ${what}, given as a command`, DEADLINE, async (t) => {
      const port = await freePort(host);
      const program = node(t, `${host}:${port}`);
      assert.ok(program);
      const target = `${wanted}:${port}`;
      const running = await startByHand(t, program.command, target, program);
      const clients = startClients(t, target, program);
      await clients.proceed('before');
      const args = ['adopt', '--pid', String(running.pid), '--', ...program.command];
      const zero = startZero(t, { args, environment: { LISTEN: `${host}:${port}` } });
      await zero.fact('service_adopted');
      await clients.proceed('adopted');
      zero.signal('SIGHUP');
      await zero.fact('handover_finished', { outcome: 'promoted' });
      await clients.proceed('promoted');
      assert.deepEqual(await clients.end(), ['0', '2']);
      if (host === '::') assert.equal((await whoAnswers(`127.0.0.1:${port}`)).generation, 2);
      await running.exited;
    });
  }

  it('a service on a Unix socket, whose path it may not remove', DEADLINE, async (t) => {
    if (!requireRoot(t, 'acts as another user')) return;
    const folder = sharedFolder(t);
    const path = join(folder, 'socket');
    const program = node(t, path);
    assert.ok(program);
    const nobody = account('nobody');
    chownSync(folder, nobody.uid, nobody.gid);
    const { runtime } = program.service;
    const service = {
      ...program.service,
      listeners: [{ name: 'http', address: `unix:${path}` }],
      runtime: { ...runtime, user: 'nobody' },
    };
    const command = [...asAccount(nobody), ...program.command];
    // Node removes the path when it closes a server. All generations share the socket, so clients would miss the path.
    const closed = () => chownSync(folder, 0, 0);
    await reloadAdopted(t, { ...program, command, service }, path, { folder: sharedFolder(t) }, closed);
  });

  it("another user's service, for root", DEADLINE, async (t) => {
    if (!requireRoot(t, 'acts as another user')) return;
    const address = await freeAddress();
    const program = node(t, address);
    assert.ok(program);
    const { runtime } = program.service;
    await reloadAdopted(
      t,
      {
        ...program,
        command: [...asAccount(account('nobody')), ...program.command],
        service: { ...program.service, runtime: { ...runtime, user: 'nobody' } },
      },
      address,
      { folder: sharedFolder(t) },
    );
  });

  it("an ordinary user's service, for that user", DEADLINE, async (t) => {
    if (!requireRoot(t, 'acts as another user')) return;
    const address = await freeAddress();
    const program = node(t, address);
    assert.ok(program);
    const nobody = account('nobody');
    const folder = sharedFolder(t);
    for (const directory of [folder, join(folder, 'xdg-run')]) {
      mkdirSync(directory, { recursive: true });
      chownSync(directory, nobody.uid, nobody.gid);
    }
    const as = asAccount(nobody);
    const zero = [...as, ...installZero(t).command] as [string, ...string[]];
    await reloadAdopted(t, { ...program, command: [...as, ...program.command] }, address, {
      command: zero,
      folder,
    });
  });

  it('a service that was started with nohup', DEADLINE, async (t) => {
    const address = await freeAddress();
    const program = node(t, address);
    assert.ok(program);
    await reloadAdopted(t, { ...program, command: ['nohup', ...program.command] }, address);
  });

  it(
    'a socket that was bound without SO_REUSEADDR, and lets all generations share it',
    DEADLINE,
    async (t) => {
      const address = await freeAddress();
      const program = compiled(t, address);
      if (program === null) return;
      const { pid, exited } = await startByHand(t, [...program.command, 'without'], address);
      // While a connection exists, the kernel refuses a second bind of the address (inet_csk_bind_conflict).
      const held = holdRequest(t, address);
      const zero = await adopt(t, pid, configFor(program, { handover: HANDOVER }));
      const { message } = await zero.fact('warning', { about: 'listener' });
      assert.match(message, /EADDRINUSE.*all generations share it/);
      assert.equal(generationInBody(await held.finish()), '0');
      zero.signal('SIGHUP');
      await zero.fact('handover_finished', { outcome: 'promoted' });
      await exited;
      assert.equal((await whoAnswers(address)).generation, 2);
    },
  );

  it('a service of pm2, and reports how pm2 hands it over', DEADLINE, async (t) => {
    const address = await freeAddress();
    const program = node(t, address);
    assert.ok(program);
    const zero = await adopt(t, await startUnderPm2(t, program, address), configFor(program));
    const { message } = await zero.fact('warning', { about: 'adopt' });
    assert.match(message, /^pm2 \(pid \d+\) starts the service again .*: pm2 delete example$/);
  });
});

it(
  'a service whose socket belongs to the systemd of a user is adopted without that systemd',
  DEADLINE,
  async (t) => {
    const perl = requireProgram(t, 'perl', 'perl');
    if (perl === null) return;
    const address = await freeAddress();
    const program = node(t, address);
    assert.ok(program);
    const systemd = join(temporaryFolder(t), 'systemd');
    symlinkSync(perl, systemd);
    const service = `
    const answer = JSON.stringify({ generation: 0, pid: process.pid });
    require('node:http').createServer((request, response) => response.end(answer)).listen({ fd: 3 });`;
    const words = [fixture('socket-manager.pl'), ...address.split(':'), process.execPath, '-e', service];
    const manager = spawn(systemd, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    assert.ok(manager.pid !== undefined);
    const guard = guardProcesses(t);
    const known = guard.own(manager.pid);
    const pid = await new Promise<number>((resolve) =>
      manager.stdout.once('data', (text) => resolve(Number(text))),
    );
    guard.own(pid);
    await whenAnswering(address);
    const zero = await adopt(t, pid, configFor(program, { handover: HANDOVER }));
    await zero.fact('worker_adopted', { pid });
    zero.signal('SIGHUP');
    await zero.fact('handover_finished', { outcome: 'promoted' });
    await zero.fact('generation_gone', { generation: 1 });
    assert.equal((await whoAnswers(address)).generation, 2);
    assert.ok(known !== null && isRunning(known));
  },
);

/** Adopts, reloads and promotes without a lost request. */
async function reloadAdopted(
  t: TestContext,
  program: Adoptable,
  address: string,
  options: Parameters<typeof adopt>[3] = {},
  started: () => void = () => {},
): Promise<Zero> {
  const running = await startByHand(t, program.command, address, program);
  started();
  const clients = startClients(t, address, program);
  await clients.proceed('before');
  const zero = await adopt(t, running.pid, configFor(program, { handover: HANDOVER }), options);
  await clients.proceed('adopted');
  zero.signal('SIGHUP');
  await zero.fact('handover_finished', { outcome: 'promoted' });
  await clients.proceed('promoted');
  await running.exited;
  assert.deepEqual(await clients.end(), ['0', '2']);
  return zero;
}

const HANDOVER = { mode: 'auto', settle: '100ms', drain_timeout: '1s' };

/** As pm2 does in fork mode: a daemon with this title starts the service in a session of its own. */
async function startUnderPm2(t: TestContext, { command: words, environment }: Adoptable, address: string) {
  const daemon = `
    process.title = 'PM2 v5.4.2: God Daemon (/root/.pm2)';
    const [program, ...args] = ${JSON.stringify(words)};
    const env = { ...${JSON.stringify(environment)}, name: 'example', pm_id: '0' };
    const child = require('node:child_process').spawn(program, args, { env, detached: true, stdio: 'ignore' });
    console.log(child.pid);
    setInterval(() => {}, 60_000);`;
  const child = spawn(process.execPath, ['-e', daemon], { stdio: ['ignore', 'pipe', 'inherit'] });
  assert.ok(child.pid !== undefined);
  const guard = guardProcesses(t);
  guard.own(child.pid);
  const pid = await new Promise<number>((resolve) =>
    child.stdout.once('data', (text) => resolve(Number(text))),
  );
  guard.own(pid);
  await whenAnswering(address);
  return pid;
}
