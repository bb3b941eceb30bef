import assert from 'node:assert/strict';
import { chownSync, copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { command } from '../support/command.ts';
import { requireProgram } from '../support/debian.ts';
import type { FactOf } from '../support/fact-log.ts';
import { installZero } from '../support/installed.ts';
import { fixture, ZERO_COMMAND } from '../support/paths.ts';
import { account, asAccount, IS_ROOT, requireRoot, sharedFolder } from '../support/privileges.ts';
import { killSupervisor } from '../support/survivor.ts';
import { DEADLINE, runZero, startZero, type Zero } from '../support/zero.ts';

const NONE = '0000000000000000';
/** Bit 10 (linux/capability.h). */
const BIND = '0000000000000400';

/** The capability sets of a process, its user, and whether its programs may gain privileges: proc_pid_status(5). */
function privilegesOf(pid: number): Record<string, string> {
  const lines = readFileSync(`/proc/${pid}/status`, 'latin1').split('\n');
  const fields = lines.map((line) => line.split(/:\s*/, 2) as [string, string]);
  return Object.fromEntries(fields.filter(([name]) => /^(?:Uid|Cap|NoNewPrivs)/.test(name)));
}

function assertPrivileges(pid: number, capabilities: string, noNewPrivs: boolean): void {
  const found = privilegesOf(pid);
  const sets = ['CapInh', 'CapPrm', 'CapEff', 'CapAmb'].map((name) => found[name]);
  assert.deepEqual(sets, Array(4).fill(capabilities), JSON.stringify(found));
  assert.equal(found.NoNewPrivs, noNewPrivs ? '1' : '0');
}

/**
 * A network namespace in which port 80 is free and requires a capability, and a copy of the service that every user can
 * run.
 */
function network(t: TestContext): { readonly prefix: [string, ...string[]]; readonly script: string } | null {
  if (!requireRoot(t, 'a network namespace, and a service of another user')) return null;
  if (!requireProgram(t, 'unshare', 'util-linux') || !requireProgram(t, 'perl', 'perl-base')) return null;
  const script = join(sharedFolder(t), 'own-port.pl');
  copyFileSync(fixture('own-port.pl'), script);
  return { prefix: ['unshare', '--net', '--'], script };
}

/** The commands of gates have the privileges of the service. */
const GATE = [
  'sh',
  '-c',
  `grep -q 'CapAmb:.*${BIND}' /proc/self/status && grep -q 'NoNewPrivs:.1' /proc/self/status`,
];

const config = (script: string, runtime: Record<string, unknown>, gate: readonly string[] = ['true']) => ({
  service: {
    runtime: { path: '/usr/bin/perl', args: [script, '10'], directory: '/', ...runtime },
    options: { reload_uptime: '0s' },
    readiness: { ready_fd: 10, command: { run: gate } },
    restart: { backoff: { initial: '50ms' } },
  },
});

/** The newest process of the worker of this generation, after it has bound its port. */
async function ready(zero: Zero, generation: number, from = 0): Promise<number> {
  await zero.fact('worker_ready', { generation }, from);
  return zero.log.all('worker_spawned', { generation }).at(-1)?.pid ?? 0;
}

describe('a service of another user that binds port 80 itself', () => {
  const granted = { user: 'nobody', no_new_privs: true, capabilities: ['CAP_NET_BIND_SERVICE'] };

  it(
    'has the capability of its config, also after a crash, a new supervisor, an upgrade, a reload and a rollback',
    DEADLINE,
    async (t) => {
      const place = network(t);
      if (place === null) return;
      const configOf = (more: readonly string[]) => ({
        application: { restart_supervisor: 'always' },
        ...config(place.script, { ...granted, args: [place.script, '10', ...more] }, GATE),
      });
      const zero = startZero(t, {
        command: [...place.prefix, ...ZERO_COMMAND],
        config: configOf([]),
        survives: true,
      });
      let from = 0;
      const check = async (generation: number) => {
        const pid = await ready(zero, generation, from);
        assert.match(privilegesOf(pid).Uid ?? '', new RegExp(`^${account('nobody').uid}\\t`));
        assertPrivileges(pid, BIND, true);
        return pid;
      };
      const crash = async (pid: number) => {
        from = zero.cursor;
        process.kill(pid, 'SIGKILL');
        return check(1);
      };
      const second = await crash(await check(1));
      await zero.fact('keeper_started');
      await killSupervisor({ zero });
      const third = await crash(second);
      const upgrade = await command(t, zero, 'upgrade');
      assert.equal(upgrade.code, 0, upgrade.stderr);
      await crash(third);
      // Another release as a target for the rollback.
      zero.rewrite(configOf(['more']));
      for (const [generation, args] of [
        [2, ['reload']],
        [3, ['rollback']],
      ] as const) {
        from = zero.cursor;
        const { code, stderr } = await command(t, zero, ...args);
        assert.equal(code, 0, stderr);
        await check(generation);
      }
      // The privileges of the supervisor itself have not changed.
      assert.notEqual(privilegesOf(zero.log.all('supervisor_started').at(-1)?.pid ?? 0).CapEff, BIND);
    },
  );

  it('has none without the key, and its bind fails', DEADLINE, async (t) => {
    const place = network(t);
    if (place === null) return;
    const zero = startZero(t, {
      command: [...place.prefix, ...ZERO_COMMAND],
      config: config(place.script, { user: 'nobody' }),
    });
    // Perl's die exits with the errno: EACCES.
    const { exit } = await zero.fact('worker_exited');
    assert.deepEqual(exit, { kind: 'exited', code: 13 });
  });

  it('gets it through the launcher for variables that no shell passes on', DEADLINE, async (t) => {
    const place = network(t);
    if (place === null) return;
    const environment = [
      { key: 'PATH', value: '/usr/bin:/bin' },
      { key: 'dotted.name', value: 'x' },
    ];
    const zero = startZero(t, {
      command: [...place.prefix, ...ZERO_COMMAND],
      config: config(place.script, { ...granted, environment }, GATE),
    });
    assertPrivileges(await ready(zero, 1), BIND, true);
  });
});

describe('capabilities that zero does not have itself', () => {
  const sleeper = (runtime: Record<string, unknown>) => ({
    service: {
      runtime: { path: '/bin/sleep', args: ['1000'], directory: '/', ...runtime },
      options: { reload_uptime: '0s' },
    },
  });
  const wanted = { capabilities: ['CAP_NET_BIND_SERVICE', 'CAP_SYS_NICE'] };

  it(
    'fail a reload of root without affecting the service, and zero check warns of them',
    DEADLINE,
    async (t) => {
      if (!requireRoot(t, 'a root without one capability')) return;
      const limited: [string, ...string[]] = ['setpriv', '--bounding-set=-sys_nice', '--inh-caps=-all', '--'];
      limited.push(...ZERO_COMMAND);
      const zero = startZero(t, {
        command: limited,
        config: sleeper({ user: 'nobody' }),
      });
      const first = await zero.fact('worker_spawned');
      await zero.fact('generation_promoted');
      zero.rewrite(sleeper({ user: 'nobody', ...wanted }));
      const { code, stderr } = await command(t, zero, 'reload');
      assert.equal(code, 1);
      assert.match(
        stderr,
        /step +release\.capabilities\n +reason +cannot give CAP_SYS_NICE to the service: zero \(uid 0\) does not have this capability itself\. Add CAP_SYS_NICE to CapabilityBoundingSet=/,
      );
      assertPrivileges(first.pid, NONE, false);
      const check = await runZero(t, {
        command: limited,
        args: ['check', '--config', `${zero.config}`],
      });
      assert.equal(check.code, 0, check.stdout);
      assert.match(
        check.stderr,
        /warning: service\.runtime\.capabilities: cannot give CAP_SYS_NICE to the service/,
      );
      // Without a configured user the service would run as root.
      zero.rewrite(sleeper(wanted));
      const asRoot = await command(t, zero, 'reload');
      assert.equal(asRoot.code, 1);
      assert.match(asRoot.stderr, /capabilities have no effect: the service would run as root/);
    },
  );

  it('fail the start of an ordinary user', DEADLINE, async (t) => {
    const { command, folder } = ordinary(t);
    const { code, stderr, stdout } = await runZero(t, { command, folder, config: sleeper(wanted) });
    assert.equal(code, 1);
    assert.match(
      stdout + stderr,
      /cannot give CAP_NET_BIND_SERVICE CAP_SYS_NICE to the service: zero \(uid \d+\) does not have these capabilities itself\. Start zero as root, or with AmbientCapabilities=CAP_NET_BIND_SERVICE CAP_SYS_NICE/,
    );
  });

  it('are not needed for no_new_privs', DEADLINE, async (t) => {
    const { command, folder } = ordinary(t);
    const zero = startZero(t, { command, folder, config: sleeper({ no_new_privs: true }) });
    assertPrivileges((await whenSleeping(zero)).pid, NONE, true);
  });

  it('are those of the config only, for an ordinary user with ambient capabilities', DEADLINE, async (t) => {
    if (!requireRoot(t, 'starting zero with ambient capabilities')) return;
    const { command, folder } = ordinary(t);
    const both = '+net_bind_service,+sys_nice';
    const [setpriv, ...rest] = command;
    const granted = [setpriv, `--inh-caps=${both}`, `--ambient-caps=${both}`, ...rest] as [
      string,
      ...string[],
    ];
    const only = startZero(t, {
      command: granted,
      folder,
      config: sleeper({ capabilities: ['CAP_NET_BIND_SERVICE'] }),
    });
    assertPrivileges((await whenSleeping(only)).pid, BIND, false);
    only.signal('SIGTERM');
    await only.exited;
    // Without the key the service has the privileges of zero.
    const inherited = startZero(t, { command: granted, folder, config: sleeper({}) });
    assertPrivileges((await whenSleeping(inherited)).pid, '0000000000800400', false);
  });
});

/** Resolves when the programs of the launcher have executed the service. */
async function whenSleeping(zero: Zero): Promise<FactOf<'worker_spawned'>> {
  const spawned = await zero.fact('worker_spawned');
  while (!/^Name:\tsleep$/m.test(readFileSync(`/proc/${spawned.pid}/status`, 'latin1')))
    await new Promise((resolve) => setImmediate(resolve));
  return spawned;
}

function ordinary(t: TestContext): { readonly command: [string, ...string[]]; readonly folder: string } {
  const folder = join(sharedFolder(t), 'own');
  mkdirSync(folder);
  if (!IS_ROOT) return { command: [...ZERO_COMMAND], folder };
  const nobody = account('nobody');
  chownSync(folder, nobody.uid, nobody.gid);
  return { command: [...asAccount(nobody), ...installZero(t).command], folder };
}
