import assert from 'node:assert/strict';
import { chownSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { installZero } from '../support/installed.ts';
import { type Operator, runIn, startIn, writeService, writeUnnamedConfig } from '../support/operators.ts';
import { account, requireRoot, sharedFolder } from '../support/privileges.ts';
import { DEADLINE, type Zero } from '../support/zero.ts';

interface Service {
  readonly name: string;
  readonly zero: Zero;
  readonly folder: string;
  /** An absolute path; null: without a file. */
  readonly config: string | null;
}

interface User {
  readonly as: Operator;
  readonly user: string;
  /** One with a config file, one without. */
  readonly services: readonly [Service, Service];
}

const COMMAND = ['run', '--', process.execPath, 'app.js'];

/** Starts both services of a user. Their directories outside of the test's one are removed at the end of the test. */
async function startBoth(t: TestContext, as: Operator, folder: string): Promise<[Service, Service]> {
  const [one, two] = [join(folder, 'one'), join(folder, 'two')];
  for (const directory of [one, two]) writeService(as, directory);
  const config = writeUnnamedConfig(join(one, 'zero.yaml'), ['app.js']);
  const first = await startIn(t, as, one);
  const second = await startIn(t, as, two, ...COMMAND);
  const uid = as.account?.uid ?? 0;
  t.after(() => {
    for (const { name } of [first, second])
      for (const place of ['/run/zero', '/var/lib/zero', `/tmp/zero-${uid}`])
        rmSync(join(place, name), { recursive: true, force: true });
  });
  return [
    { ...first, folder: one, config },
    { ...second, folder: two, config: null },
  ];
}

/** The pid of the supervisor that a command reaches, or its exit code. */
async function reached(
  t: TestContext,
  as: Operator,
  folder: string,
  ...args: readonly string[]
): Promise<number> {
  const { code, stdout, stderr } = await runIn(t, as, folder, 'status', '--json', ...args);
  if (code === 0) return JSON.parse(stdout).pid;
  assert.match(stderr, /^zero status: /);
  return -(code ?? 0);
}

it(
  'root, a user and a user in the environment of cron each reach the right one of two services with every command',
  DEADLINE,
  async (t) => {
    if (!requireRoot(t, 'services of three users')) return;
    const folder = sharedFolder(t);
    const { command: zero } = installZero(t);
    const people = { root: null, user: account('nobody'), cron: account('daemon') };
    const environmentOf = (name: keyof typeof people) => {
      const state = { XDG_STATE_HOME: join(folder, name, 'state'), TMPDIR: undefined };
      if (name === 'user')
        return { ...state, XDG_RUNTIME_DIR: join(folder, name, 'run'), HOME: join(folder, name) };
      return { ...state, XDG_RUNTIME_DIR: undefined, HOME: undefined };
    };
    const users: User[] = [];
    for (const name of ['root', 'user', 'cron'] as const) {
      const own = people[name];
      for (const directory of [join(folder, name), join(folder, name, 'run')]) {
        mkdirSync(directory);
        if (own !== null) chownSync(directory, own.uid, own.gid);
      }
      const as: Operator = { account: own, zero, environment: environmentOf(name) };
      users.push({ as, user: own?.name ?? 'root', services: await startBoth(t, as, join(folder, name)) });
    }
    const [root, user, cron] = users;
    assert.ok(root && user && cron);
    const all = users.flatMap(({ services }) => services);
    assert.equal(new Set(all.map(({ name }) => name)).size, 6);

    const work = async ({ as, services: [one, two] }: User): Promise<void> => {
      // By the file in the directory, by the file from elsewhere, and by name.
      assert.equal(await reached(t, as, one.folder), one.zero.pid);
      assert.equal(await reached(t, as, folder, '--config', one.config ?? ''), one.zero.pid);
      assert.equal(await reached(t, as, folder, '--name', two.name), two.zero.pid);
      // Two are running, so one must be specified.
      assert.equal(await reached(t, as, two.folder), -2);
      const reloaded = await Promise.all([
        runIn(t, as, one.folder, 'reload'),
        runIn(t, as, folder, 'reload', '--name', two.name),
      ]);
      assert.deepEqual(
        reloaded.map(({ code }) => code),
        [0, 0],
      );
    };
    await Promise.all(users.map(work));
    for (const { zero } of all) assert.equal(zero.log.all('reload_requested').length, 1);

    // In a login, with an environment that the supervisor did not have.
    const login = {
      ...cron.as,
      environment: { ...cron.as.environment, XDG_RUNTIME_DIR: join(folder, 'cron', 'run') },
    };
    assert.equal(await reached(t, login, folder, '--name', cron.services[1].name), cron.services[1].zero.pid);
    assert.equal(await reached(t, login, cron.services[0].folder), cron.services[0].zero.pid);

    // No user except root reaches the services of another user.
    for (const { name, config } of [...cron.services, ...root.services]) {
      const args = config === null ? ['--name', name] : ['--config', config];
      const code = await reached(t, user.as, folder, ...args);
      assert.ok([-1, -3].includes(code), `${name}: ${code}`);
    }
    for (const { zero, name } of all)
      assert.equal(await reached(t, root.as, folder, '--name', name), zero.pid);
    const { stdout } = await runIn(t, root.as, folder, 'list', '--json');
    const { instances } = JSON.parse(stdout) as { instances: { name: string; user: string; pid: number }[] };
    for (const { user: name, services } of users)
      for (const service of services) {
        const listed = instances.filter((instance) => instance.name === service.name);
        assert.deepEqual(
          listed.map((instance) => [instance.user, instance.pid]),
          [[name, service.zero.pid]],
        );
      }

    const stop = async ({ as, services: [one, two] }: User): Promise<void> => {
      assert.equal((await runIn(t, as, one.folder, 'stop')).code, 0);
      assert.equal((await one.zero.exited).code, 0);
      assert.equal((await runIn(t, as, two.folder, 'stop')).code, 2);
      assert.equal((await runIn(t, as, folder, 'stop', '--name', two.name)).code, 0);
      assert.equal((await two.zero.exited).code, 0);
    };
    await Promise.all(users.map(stop));
    for (const { zero } of all) assert.deepEqual(zero.log.all('stop_requested').length, 1);
  },
);
