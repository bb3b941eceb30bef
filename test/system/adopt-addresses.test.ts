import assert from 'node:assert/strict';
import { chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { type Adoptable, adopt, compiled, configFor, node, startClients } from '../support/adoption.ts';
import { freeAddress, freePort } from '../support/free-address.ts';
import { holdRequest } from '../support/held-request.ts';
import { installZero } from '../support/installed.ts';
import { generationInBody } from '../support/load.ts';
import { account, asAccount, requireRoot, sharedFolder } from '../support/privileges.ts';
import { whoAnswers } from '../support/puppet-service.ts';
import { startByHand } from '../support/running-service.ts';
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

  it('a service on a Unix socket whose path it may not remove', DEADLINE, async (t) => {
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
    // Node removes the path when it closes a server. All generations share the socket, so clients could not connect.
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

  it('a socket that was bound without SO_REUSEADDR, which all generations share', DEADLINE, async (t) => {
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
  });
});

/** Adopts, reloads and promotes without losing a request. */
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
