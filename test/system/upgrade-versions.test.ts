import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { version } from '../../src/cli/version.ts';
import { command } from '../support/command.ts';
import { type Installed, installZero } from '../support/installed.ts';
import { startLoad } from '../support/load.ts';
import { installNext, NEXT_VERSION } from '../support/next-version.ts';
import { assertUntouched, nextReady, startServing, whoAnswers } from '../support/puppet-service.ts';
import { keeperPid, killWithKeeper } from '../support/survivor.ts';
import { reversed, type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, runZero, startZero, type Zero } from '../support/zero.ts';

const HANDOVER = { settle: '100ms', drain_timeout: '1s' };

/** The versions of the state and of zero in this release, and in the next one. */
const THIS = { zero: version, state: 2 };
const NEXT = { zero: NEXT_VERSION, state: 3 };

/** A path at which one release after the other is installed, as package managers do. */
class InstallPath {
  readonly #folder: string;

  constructor(scope: Scope) {
    this.#folder = temporaryFolder(scope);
    mkdirSync(join(this.#folder, 'lib'));
  }

  install({ folder }: Installed): void {
    const link = join(this.#folder, 'lib', 'zero');
    symlinkSync(folder, `${link}.new`);
    renameSync(`${link}.new`, link);
  }

  get command(): [string, string] {
    return [process.execPath, join(this.#folder, 'lib', 'zero', 'bin', 'zero.js')];
  }
}

function startUnder(scope: Scope, { command }: InstallPath) {
  return startServing(scope, { handover: HANDOVER, environment: { RELEASE: 'a' } }, { command });
}

function savedState({ folder }: Zero): Record<string, unknown> {
  return JSON.parse(readFileSync(join(folder, 'run', 'state.json'), 'utf8'));
}

async function assertRuns(scope: Scope, zero: Zero, expected: typeof THIS, upgrades: number): Promise<void> {
  const { code, stdout, stderr } = await command(scope, zero, 'status', '--json');
  assert.equal(code, 0, stderr);
  const status = JSON.parse(stdout);
  assert.deepEqual(
    [status.zero, status.pid, status.supervisor.upgrades],
    [expected.zero, zero.pid, upgrades],
  );
  assert.equal(savedState(zero).version, expected.state);
}

describe('zero upgrade between releases with different formats', () => {
  it('upgrades to the later release and back without a failed request', DEADLINE, async (test) => {
    const t = reversed(test);
    const installed = new InstallPath(t);
    const releases = [
      { release: installNext(t, { writesEarlier: true }), expected: NEXT },
      { release: installZero(t), expected: THIS },
    ];
    installed.install(releases[1]?.release ?? assert.fail());
    const { zero, puppets, incumbent, rewrite } = await startUnder(t, installed);
    const target = await zero.address('http');
    const loads = (['short', 'keep-alive'] as const).map((connections) =>
      startLoad(t, { target, clients: 2, connections }),
    );
    const { cursor } = zero;
    // The generation keeps the config and the environment of its start.
    rewrite({ handover: HANDOVER, environment: { RELEASE: 'b' } });
    for (const [done, { release, expected }] of [...releases, ...releases].entries()) {
      installed.install(release);
      for (const load of loads) load.phase(`upgrade ${done + 1} to ${expected.zero}`);
      const { code, stderr } = await command(t, zero, 'upgrade');
      assert.equal(code, 0, stderr);
      await assertRuns(t, zero, expected, done + 1);
      for (const load of loads) await load.whenPhaseHas(20);
    }
    for (const load of loads) assert.deepEqual((await load.stop()).failures, {});
    assert.deepEqual(
      zero.log
        .all('supervisor_upgraded')
        .map(({ from, to }) => `${from} ${to}`)
        .slice(0, 2),
      [`${THIS.zero} ${NEXT.zero}`, `${NEXT.zero} ${THIS.zero}`],
    );
    assert.deepEqual(zero.log.all('warning', {}, cursor), []);
    const { generation, pid } = incumbent;
    assert.deepEqual(await whoAnswers(target), { generation, pid });
    await incumbent.exit(1);
    const restarted = await nextReady(puppets);
    assert.ok(restarted.environment.map(String).includes('RELEASE=a'));
    zero.signal('SIGHUP');
    const candidate = await nextReady(puppets);
    assert.ok(candidate.environment.map(String).includes('RELEASE=b'));
    await restarted.gone;
  });

  it('is refused if the running release cannot write the earlier format', DEADLINE, async (test) => {
    const t = reversed(test);
    const installed = new InstallPath(t);
    const next = installNext(t, { writesEarlier: false });
    installed.install(next);
    const service = await startUnder(t, installed);
    const { zero, incumbent } = service;
    const load = startLoad(t, { target: await zero.address('http'), clients: 2 });
    installed.install(installZero(t));
    const { code, stderr } = await command(t, zero, 'upgrade');
    assert.equal(code, 1);
    assert.match(
      stderr,
      new RegExp(
        `zero\\.js \\(zero ${THIS.zero}\\): the new zero needs version 2 of the state, which the running zero cannot ` +
          'write\\. Install a release that reads version 3, or stop the service and start it with the new zero$',
        'm',
      ),
    );
    assert.equal(zero.log.all('error', { step: 'upgrade' }).length, 1);
    await assertRuns(t, zero, NEXT, 0);
    await assertUntouched(service, incumbent);
    installed.install(next);
    assert.equal((await command(t, zero, 'upgrade')).code, 0);
    await assertRuns(t, zero, NEXT, 1);
    await load.whenPhaseHas(20);
    assert.deepEqual((await load.stop()).failures, {});
  });
});

describe('the service of a killed later release', () => {
  it('is not touched by this release, and continued by the later one', DEADLINE, async (test) => {
    const t = reversed(test);
    const next = installNext(t, { writesEarlier: true });
    const { zero: dead, incumbent } = await startServing(
      t,
      { handover: HANDOVER },
      { command: next.command },
    );
    await keeperPid(dead);
    const load = startLoad(t, { target: await dead.address('http'), clients: 2 });
    dead.signal('SIGKILL');
    await dead.exited;
    const { folder } = dead;
    const args = ['--config', dead.config ?? ''];
    const before = savedState(dead);
    const refused = await runZero(t, { folder, args });
    const stop = await command(t, dead, 'stop');
    const message =
      /state\.json: the file has version 3, and this zero reads versions 1 to 2\. Use the zero that wrote the file, version 9\.0\.0\./;
    for (const { code, stderr } of [refused, stop]) {
      assert.equal(code, 1);
      assert.match(stderr, message);
    }
    assert.deepEqual(savedState(dead), before);
    const zero = startZero(t, { folder, args, command: next.command });
    assert.equal((await zero.fact('supervisor_recovered')).adopted, 1);
    const { generation, pid } = incumbent;
    assert.deepEqual(await whoAnswers(await dead.address('http')), { generation, pid });
    assert.deepEqual((await load.stop()).failures, {});
  });
});

/**
 * Removes the fields that releases without a keeper and `zero upgrade` did not write, see docs/reference/formats.md.
 */
function asWrittenBefore(state: Record<string, unknown>): Record<string, unknown> {
  const pick = (value: unknown, names: readonly string[]) =>
    Object.fromEntries(Object.entries(value as object).filter(([name]) => names.includes(name)));
  const later = ['sequence', 'pid_namespace', 'keeper', 'commands', 'in_progress'];
  const kept = Object.fromEntries(Object.entries(state).filter(([name]) => !later.includes(name)));
  const [processes, listeners] = [state.processes as object[], state.listeners as object[]];
  const process = ['generation', 'worker', 'incarnation', 'pid', 'start_time_ticks', 'session'];
  const listener = ['name', 'config_address', 'address', 'fd', 'inode', 'lanes'];
  return {
    ...kept,
    supervisor: pick(state.supervisor, ['pid', 'start_time_ticks']),
    processes: processes.map((one) => pick(one, process)),
    listeners: listeners.map((one) => pick(one, listener)),
  };
}

describe('a service of a release without zero upgrade', () => {
  it('gets this release by kill -9, the same command and zero reload', DEADLINE, async (test) => {
    const t = reversed(test);
    const {
      zero: old,
      puppets,
      incumbent,
    } = await startServing(t, { handover: { ...HANDOVER, mode: 'auto' } });
    await keeperPid(old);
    const load = startLoad(t, { target: await old.address('http'), clients: 2 });
    await load.whenPhaseHas(20);
    // Such a release has no keeper, so only its worker holds the sockets, and there is no copy in memory.
    await killWithKeeper(old);
    const { folder } = old;
    writeFileSync(join(folder, 'run', 'state.json'), JSON.stringify(asWrittenBefore(savedState(old))));
    load.phase('killed');
    await load.whenPhaseHas(20);
    const zero = startZero(t, { folder, args: ['--config', old.config ?? ''] });
    assert.equal((await zero.fact('supervisor_recovered')).adopted, 1);
    await keeperPid(zero);
    const { generation, pid } = incumbent;
    assert.deepEqual(await whoAnswers(await old.address('http')), { generation, pid });
    load.phase('reload');
    const reload = command(t, old, 'reload');
    const candidate = await nextReady(puppets);
    const { code, stderr } = await reload;
    assert.equal(code, 0, stderr);
    await incumbent.gone;
    await load.whenPhaseHas(20);
    assert.deepEqual((await load.stop()).failures, {});
    // From now on zero is upgraded in place.
    assert.equal((await command(t, old, 'upgrade')).code, 0);
    const now = { generation: candidate.generation, pid: candidate.pid };
    assert.deepEqual(await whoAnswers(await old.address('http')), now);
  });
});
