import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { command } from '../support/command.ts';
import { freeAddress } from '../support/free-address.ts';
import { startLoad } from '../support/load.ts';
import { ROOT, ZERO_COMMAND } from '../support/paths.ts';
import { whoAnswers } from '../support/puppet-service.ts';
import { listenQueues } from '../support/sockets.ts';
import { type Systemd, startSystemd } from '../support/systemd.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';

const UNIT = 'zero@web.service';

/** Responds with its pid. A file `broken` in its directory makes the next one exit. */
const SERVICE = `#!/usr/bin/env node
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
if (existsSync('broken')) process.exit(7);
const server = createServer((_, response) => {
  response.setHeader('Connection', 'close');
  response.end(JSON.stringify({ generation: Number(process.env.ZERO_GENERATION), pid: process.pid }));
});
server.listen({ fd: 3 });
process.on('SIGTERM', () => server.close(() => process.exit(0)));
`;

/** The unit of examples/systemd/user, with this zero and a runtime directory that systemd creates. */
async function install({ units, runtime, systemctl }: Systemd, folder: string): Promise<string> {
  const address = await freeAddress();
  const config = {
    application: { runtime_directory: join(runtime, 'zero/web'), data_directory: join(folder, 'data') },
    service: {
      listeners: [{ name: 'http', address }],
      runtime: { name: 'web', directory: folder, path: 'web.mjs', workers: 2 },
      options: { reload_uptime: '10ms' },
    },
  };
  mkdirSync(join(units, '../../zero'), { recursive: true });
  writeFileSync(join(units, '../../zero/web.yaml'), JSON.stringify(config));
  writeFileSync(join(folder, 'web.mjs'), SERVICE, { mode: 0o755 });
  const unit = readFileSync(join(ROOT, 'examples/systemd/user/zero@.service'), 'utf8');
  writeFileSync(join(units, 'zero@.service'), unit.replaceAll('/usr/local/bin/zero', ZERO_COMMAND.join(' ')));
  mkdirSync(join(units, 'zero@.service.d'));
  const directory = '[Service]\nRuntimeDirectory=zero/%i\nRuntimeDirectoryPreserve=yes\n';
  writeFileSync(join(units, 'zero@.service.d/directory.conf'), directory);
  await systemctl('daemon-reload');
  return address;
}

async function start(t: TestContext) {
  const systemd = await startSystemd(t);
  if (systemd === null) return null;
  const folder = temporaryFolder(t);
  const address = await install(systemd, folder);
  const { code, stderr } = await systemd.systemctl('start', UNIT);
  assert.equal(code, 0, stderr);
  return { ...systemd, folder, address, config: join(systemd.units, '../../zero/web.yaml') };
}

describe('a real systemd', () => {
  it('starts, reloads and stops the service, and shows a rolled back reload', DEADLINE, async (t) => {
    const systemd = await start(t);
    if (systemd === null) return;
    const { systemctl, show, folder, address, config } = systemd;
    assert.equal(await show(UNIT, 'StatusText'), 'generation 1 serves');
    assert.equal((await systemctl('reload', UNIT)).code, 0);
    assert.equal(await show(UNIT, 'StatusText'), 'generation 2 serves');
    const pid = await show(UNIT, 'MainPID');
    const upgrade = await command(t, { config }, 'upgrade');
    assert.equal(upgrade.code, 0, upgrade.stderr);
    assert.equal(await show(UNIT, 'MainPID'), pid);
    assert.equal(await show(UNIT, 'StatusText'), 'generation 2 serves');
    writeFileSync(join(folder, 'broken'), '');
    assert.notEqual((await systemctl('reload', UNIT)).code, 0);
    assert.equal(await show(UNIT, 'ActiveState'), 'active');
    assert.equal(await show(UNIT, 'StatusText'), 'generation 2 serves; handover 3: rolled back');
    assert.equal((await whoAnswers(address)).generation, 2);
    assert.equal((await systemctl('stop', UNIT)).code, 0);
    assert.equal(await show(UNIT, 'Result'), 'success');
    await assert.rejects(whoAnswers(address), /ECONNREFUSED/);
  });

  it('restarts zero after SIGKILL, which continues with its workers', DEADLINE, async (t) => {
    const systemd = await start(t);
    if (systemd === null) return;
    const { systemctl, show, address } = systemd;
    const load = startLoad(t, { target: address, clients: 4 });
    await load.whenPhaseHas(100);
    load.phase('killed');
    const killed = await show(UNIT, 'MainPID');
    const { pid: worker } = await whoAnswers(address);
    process.kill(Number(killed), 'SIGKILL');
    const deadline = Date.now() + 30_000;
    while ((await show(UNIT, 'NRestarts')) === '0' || (await show(UNIT, 'SubState')) !== 'running')
      assert.ok(Date.now() < deadline, await show(UNIT, 'SubState'));
    assert.notEqual(await show(UNIT, 'MainPID'), killed);
    assert.equal(await show(UNIT, 'StatusText'), 'generation 1 serves');
    process.kill(worker, 0);
    assert.equal((await systemctl('reload', UNIT)).code, 0);
    assert.equal((await whoAnswers(address)).generation, 2);
    await load.whenPhaseHas(100);
    assert.deepEqual((await load.stop()).failures, {});
    assert.equal((await systemctl('stop', UNIT)).code, 0);
    await assert.rejects(whoAnswers(address), /ECONNREFUSED/);
    assert.throws(() => process.kill(worker, 0), { code: 'ESRCH' });
  });

  it('keeps the sockets if the keeper is killed together with zero', DEADLINE, async (t) => {
    const systemd = await start(t);
    if (systemd === null) return;
    const { systemctl, show, address, config } = systemd;
    const port = Number(address.split(':').at(-1));
    const inodes = () => listenQueues(port).map(({ inode }) => inode);
    const sockets = inodes();
    // The vault is an additional descriptor.
    await until(async () => Number(await show(UNIT, 'NFileDescriptorStore')) === sockets.length + 1);
    const status = await command(t, { config }, 'status', '--json');
    const { keeper } = JSON.parse(status.stdout);
    const load = startLoad(t, { target: address, clients: 4 });
    await load.whenPhaseHas(100);
    const killed = Number(await show(UNIT, 'MainPID'));
    for (const pid of [killed, keeper.pid]) process.kill(pid, 'SIGSTOP');
    for (const pid of [killed, keeper.pid]) process.kill(pid, 'SIGKILL');
    await until(async () => (await show(UNIT, 'NRestarts')) === '1');
    await until(async () => (await show(UNIT, 'StatusText')) === 'generation 1 serves');
    assert.deepEqual(inodes(), sockets);
    load.phase('after');
    await load.whenPhaseHas(100);
    assert.deepEqual((await load.stop()).failures, {});
    assert.equal((await systemctl('reload', UNIT)).code, 0);
    assert.equal((await whoAnswers(address)).generation, 2);
    assert.equal((await systemctl('stop', UNIT)).code, 0);
    assert.equal(await show(UNIT, 'NFileDescriptorStore'), '0');
  });
});

/** Each check runs a command, which limits the rate. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 30_000; !(await holds()); ) assert.ok(Date.now() < deadline);
}
