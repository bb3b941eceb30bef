import assert from 'node:assert/strict';
import { chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { StatusDocument } from '../../src/control/protocol.ts';
import { ownerOf } from '../../src/linux/procfs.ts';
import { adopt, configFor, nginx, node, startClients } from '../support/adoption.ts';
import { command } from '../support/command.ts';
import { freeAddress } from '../support/free-address.ts';
import { installZero } from '../support/installed.ts';
import { account, asAccount, requireRoot, sharedFolder } from '../support/privileges.ts';
import { childrenOf, identify, isRunning } from '../support/processes.ts';
import { whoAnswers } from '../support/puppet-service.ts';
import { type RunningService, startByHand } from '../support/running-service.ts';
import { keeperPid, killSupervisor } from '../support/survivor.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { connectSilently } from '../support/waiting-request.ts';
import { DEADLINE, runZero, type Zero } from '../support/zero.ts';
import type { RawConfig } from '../support/zero-config.ts';

const WAITING = 20;

interface Adopted {
  readonly zero: Zero;
  readonly address: string;
  readonly running: RunningService;
}

/** The two worker processes of an nginx. The first one answers before the second one runs. */
async function nginxWorkers(master: number) {
  for (;;) {
    const workers = childrenOf(master, 'nginx').flatMap((pid) => identify(pid) ?? []);
    if (workers.length >= 2) return workers;
    await turn();
  }
}

describe('an adopted service', () => {
  it(
    'that crashes is replaced by the command of the config, which serves waiting clients',
    DEADLINE,
    async (t) => {
      const { zero, address, running } = await adoptNode(t);
      running.process.kill('SIGSTOP');
      const waiting = await connectWaiting(t, address);
      running.process.kill('SIGKILL');
      const { pid } = await zero.fact('worker_spawned', { generation: 1, worker: 0 });
      const answers = await Promise.all(waiting.map(({ answer }) => answer));
      assert.ok(answers.every(({ generation }) => generation === 1));
      // A rescue worker served the connections that waited in the lane of the crashed process.
      await zero.fact('lane_relieved', { lane: 0 });
      await zero.fact('steering_changed', { main: [1] });
      assert.deepEqual(await whoAnswers(address), { generation: 1, pid });
      await reloads(t, { zero, address });
    },
  );

  it('that crashes is reported if the command binds the address itself', DEADLINE, async (t) => {
    const { zero, running, address } = await adoptNode(t, ({ service }, address) => {
      const [host, port] = address.split(':');
      const args = ['-e', `require('node:net').createServer().listen(${port}, '${host}')`];
      return { service: { ...service, runtime: { path: process.execPath, args } } };
    });
    running.process.kill('SIGKILL');
    const { pid } = await zero.fact('worker_spawned', { generation: 1, worker: 0 });
    const { reason } = await zero.fact('worker_exited', { generation: 1, pid });
    const holds = `${address} is the address of listener http, which zero holds. The service must accept connections on descriptor 3`;
    assert.ok(reason?.includes(holds), reason);
  });

  it('that crashes loses its remaining processes', DEADLINE, async (t) => {
    const address = await freeAddress();
    const program = nginx(t, address);
    if (program === null) return;
    const running = await startByHand(t, program.command, address, program);
    const workers = await nginxWorkers(running.pid);
    const options = { ...(program.service.options as object), shutdown_timeout: '500ms' };
    const zero = await adopt(
      t,
      running.pid,
      configFor({ ...program, service: { ...program.service, options } }),
    );
    running.process.kill('SIGKILL');
    const { pids } = await zero.fact('leftovers_killed', { generation: 1 });
    assert.deepEqual([...pids].sort(), workers.map(({ pid }) => pid).sort());
    await zero.fact('worker_ready', { generation: 1 });
    assert.ok(workers.every((worker) => !isRunning(worker)));
    const { generation } = await whoAnswers(address);
    assert.equal(generation, 2, 'the new nginx has the new config');
  });

  it('gets the config as it is at the first reload', DEADLINE, async (t) => {
    const { zero, address, running } = await adoptNode(t);
    const program = node(t, address);
    assert.ok(program);
    zero.rewrite(configFor(program, { runtime: { ...program.service.runtime, workers: 2 } }));
    await reloads(t, { zero, address });
    const { generations }: StatusDocument = JSON.parse((await command(t, zero, 'status', '--json')).stdout);
    assert.equal(generations.find(({ id }) => id === 2)?.workers.length, 2);
    await running.exited;
    await command(t, zero, 'stop');
  });

  it('survives the supervisor, which its keeper restarts', DEADLINE, async (t) => {
    const application = { restart_supervisor: 'always' };
    const service = await adoptNode(t, (config) => ({ ...config, application }), { survives: true });
    const { zero, address, running } = service;
    const clients = startClients(t, address, { keepsAlive: true });
    await keeperPid(zero);
    for (let kill = 1; kill <= 2; kill += 1) {
      await clients.proceed(`adopted ${kill}`);
      const recovered = await killSupervisor({ zero });
      assert.deepEqual([recovered.adopted, recovered.gone, recovered.incumbent], [1, 0, 1]);
      await clients.proceed(`recovered ${kill}`);
      await keeperPid(zero);
    }
    assert.deepEqual(zero.log.all('output_lost'), []);
    const reload = command(t, zero, 'reload');
    await zero.fact('handover_step', { step: 'soak' });
    await clients.proceed('soak');
    await killSupervisor({ zero });
    await clients.proceed('recovered in the soak');
    const back = await command(t, zero, 'abort');
    assert.equal(back.code, 0, back.stderr);
    assert.equal((await reload).code, 12);
    await clients.proceed('rolled back');
    await reloads(t, service);
    await running.exited;
    assert.ok((await clients.end()).includes('0'));
    await command(t, zero, 'stop');
  });

  it("of an ordinary user belongs to that user's zero permanently", DEADLINE, async (t) => {
    if (!requireRoot(t, 'acts as another user')) return;
    const nobody = account('nobody');
    const folder = sharedFolder(t);
    for (const directory of [folder, join(folder, 'xdg-run')]) {
      mkdirSync(directory, { recursive: true });
      chownSync(directory, nobody.uid, nobody.gid);
    }
    const address = await freeAddress();
    const program = node(t, address);
    assert.ok(program);
    const as = asAccount(nobody);
    const running = await startByHand(t, [...as, ...program.command], address, program);
    const config = { ...configFor(program), application: { restart_supervisor: 'always' } };
    const own = [...as, ...installZero(t).command] as [string, ...string[]];
    const zero = await adopt(t, running.pid, config, { command: own, folder, survives: true });
    assert.equal(ownerOf(zero.pid), nobody.uid);
    const run = async (...words: readonly string[]) => {
      const args = [...words, '--config', zero.config ?? ''];
      const { code, stderr } = await runZero(t, { command: own, folder, args });
      assert.equal(code, words.includes('--no-wait') ? 13 : 0, `${words[0]}: ${stderr}`);
    };
    const reloaded = async () => {
      const { cursor } = zero;
      await run('reload', '--no-wait');
      await zero.fact('handover_step', { step: 'soak' }, cursor);
    };
    const clients = startClients(t, address, { keepsAlive: true });
    await clients.proceed('adopted');
    await reloaded();
    await clients.proceed('soak');
    await run('abort');
    await zero.fact('generation_gone', { generation: 2 });
    await clients.proceed('rolled back');
    await keeperPid(zero);
    const recovered = await killSupervisor({ zero });
    assert.deepEqual([recovered.adopted, recovered.gone, recovered.incumbent], [1, 0, 1]);
    await clients.proceed('recovered');
    const { cursor } = zero;
    await run('upgrade');
    const upgraded = await zero.fact('supervisor_recovered', {}, cursor);
    assert.deepEqual([upgraded.by, upgraded.adopted, upgraded.gone], ['upgrade', 1, 0]);
    await clients.proceed('upgraded');
    assert.ok(isRunning(running.known), 'the adopted process is not the one that runs');
    await reloaded();
    await run('promote');
    await running.exited;
    await clients.proceed('promoted');
    const serving = await whoAnswers(address);
    assert.equal(ownerOf(serving.pid), nobody.uid);
    assert.deepEqual((await clients.end()).length, 3);
    await run('stop');
    assert.deepEqual(zero.log.all('error'), []);
  });

  it(
    'shows the CPU time and memory of its processes, which have no session of their own',
    DEADLINE,
    async (t) => {
      const address = await freeAddress();
      const program = nginx(t, address);
      if (program === null) return;
      const running = await startByHand(t, program.command, address, program);
      const zero = await adopt(t, running.pid, configFor(program));
      const members = [running.pid, ...(await nginxWorkers(running.pid)).map(({ pid }) => pid)];
      assert.equal(members.length, 3);
      const resident = members.map(residentBytes).reduce((sum, bytes) => sum + bytes, 0);
      const list = await runZero(t, { folder: zero.folder, args: ['list', '--json'] });
      assert.equal(list.code, 0, list.stderr);
      const { instances } = JSON.parse(list.stdout);
      const listed = instances.find(({ pid }: { pid: number }) => pid === zero.pid);
      const status = await command(t, zero, 'status', '--json');
      assert.equal(status.code, 0, status.stderr);
      const { usage }: StatusDocument = JSON.parse(status.stdout);
      for (const shown of [listed, usage]) {
        // The workers of nginx may have grown since.
        const ratio = shown.memory_bytes / resident;
        assert.ok(ratio > 0.9 && ratio < 1.5, JSON.stringify({ shown, resident }));
        assert.equal(typeof shown.cpu_percent, 'number');
      }
    },
  );

  it('belongs to zero even if no history can be written', DEADLINE, async (t) => {
    const service = await adoptNode(t, (config) => {
      const file = join(temporaryFolder(t), 'file');
      writeFileSync(file, '');
      return { ...config, application: { data_directory: join(file, 'data') } };
    });
    const { zero, address } = service;
    await zero.fact('error', { step: 'write history' });
    await reloads(t, service);
    assert.equal((await whoAnswers(address)).generation, 2);
  });

  it('survives zero upgrade', DEADLINE, async (t) => {
    const service = await adoptNode(t);
    const { zero, address } = service;
    const clients = startClients(t, address, { keepsAlive: true });
    await clients.proceed('adopted');
    const upgrade = await command(t, zero, 'upgrade');
    assert.equal(upgrade.code, 0, upgrade.stderr);
    const { by, adopted, gone } = await zero.fact('supervisor_recovered');
    assert.deepEqual({ by, adopted, gone }, { by: 'upgrade', adopted: 1, gone: 0 });
    await clients.proceed('upgraded');
    await reloads(t, service);
    await clients.proceed('reloaded');
    assert.ok((await clients.end()).includes('0'));
  });

  it('that crashes after a restart of the supervisor is replaced on a separate lane', DEADLINE, async (t) => {
    const application = { restart_supervisor: 'always' };
    const service = await adoptNode(t, (config) => ({ ...config, application }), { survives: true });
    const { zero, address, running } = service;
    await keeperPid(zero);
    await killSupervisor({ zero });
    running.process.kill('SIGSTOP');
    const waiting = await connectWaiting(t, address);
    running.process.kill('SIGKILL');
    const answers = await Promise.all(waiting.map(({ answer }) => answer));
    assert.ok(answers.every(({ generation }) => generation === 1));
    await zero.fact('steering_changed', { main: [1] });
    await command(t, zero, 'stop');
  });
});

async function adoptNode(
  t: TestContext,
  change: (config: RawConfig, address: string) => RawConfig = (config) => config,
  options: { readonly survives?: boolean } = {},
): Promise<Adopted> {
  const address = await freeAddress();
  const program = node(t, address);
  assert.ok(program);
  const running = await startByHand(t, program.command, address, program);
  const zero = await adopt(t, running.pid, change(configFor(program), address), options);
  return { zero, address, running };
}

/** VmRSS (proc_pid_status(5)). */
function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) * 1024;
}

async function connectWaiting(t: TestContext, address: string) {
  const clients = await Promise.all(Array.from({ length: WAITING }, () => connectSilently(t, address)));
  return clients.map((client) => client.send());
}

/** Reloads, and waits until the next version is final. */
async function reloads(t: TestContext, { zero, address }: Pick<Adopted, 'zero' | 'address'>): Promise<void> {
  const { cursor } = zero;
  const reload = await command(t, zero, 'reload', '--no-wait');
  assert.equal(reload.code, 13, reload.stderr);
  const { generation } = await zero.fact('handover_step', { step: 'soak' }, cursor);
  const promote = await command(t, zero, 'promote');
  assert.equal(promote.code, 0, promote.stderr);
  await zero.fact('handover_finished', { outcome: 'promoted' }, cursor);
  assert.equal((await whoAnswers(address)).generation, generation);
}
