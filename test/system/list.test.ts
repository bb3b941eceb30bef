import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  type Operator,
  ordinaryUser,
  runIn,
  startIn,
  writeService,
  writeUnnamedConfig,
} from '../support/operators.ts';
import { whenEnded } from '../support/process-end.ts';
import { killWithKeeper } from '../support/survivor.ts';
import type { Scope } from '../support/temporary.ts';
import { DEADLINE } from '../support/zero.ts';

interface Listed {
  readonly name: string;
  readonly state: string;
  readonly pid: number | null;
  readonly generation: number | null;
  readonly workers: { readonly up: number; readonly total: number } | null;
  readonly runtime_directory: string;
  readonly config_file: string | null;
  readonly problem: string | null;
  readonly cpu_percent: number | null;
  readonly memory_bytes: number | null;
  readonly uptime_ms: number | null;
}

/** The instances below a directory. Other instances run on this machine as well. */
async function listed(scope: Scope, me: Operator, folder: string): Promise<Listed[]> {
  const { code, stdout, stderr } = await runIn(scope, me, folder, 'list', '--json');
  assert.deepEqual([code, stderr], [0, '']);
  const { instances } = JSON.parse(stdout) as { instances: Listed[] };
  return instances.filter(({ runtime_directory }) => runtime_directory.startsWith(folder));
}

describe('zero list', () => {
  it('shows every instance, in any runtime directory', DEADLINE, async (t) => {
    const { me, folder } = ordinaryUser(t);
    for (const name of ['a', 'b', 'c']) writeService(me, join(folder, name));
    const a = await startIn(
      t,
      me,
      join(folder, 'a'),
      'run',
      '--workers',
      '2',
      '--',
      process.execPath,
      'app.js',
    );
    const config = writeUnnamedConfig(join(folder, 'b', 'zero.yaml'), ['app.js'], {
      application: {
        logging: { format: 'json' },
        runtime_directory: join(folder, 'b', 'elsewhere'),
        control: { path: join(folder, 'b', 'own.sock') },
      },
    });
    const b = await startIn(t, me, join(folder, 'b'));
    // Without XDG_RUNTIME_DIR, as cron starts it.
    const cron = { ...me, environment: { ...me.environment, XDG_RUNTIME_DIR: undefined } };
    const c = await startIn(t, cron, join(folder, 'c'), 'run', '--', process.execPath, 'app.js');
    for (const operator of [me, cron]) {
      const all = await listed(t, operator, folder);
      // An instance of another XDG_RUNTIME_DIR is linked.
      assert.deepEqual(
        all.map(({ name, state, pid, generation, workers, config_file }) => [
          name,
          state,
          pid,
          generation,
          workers?.up,
          config_file,
        ]),
        [
          [a.name, 'up', a.zero.pid, 1, 2, null],
          [b.name, 'up', b.zero.pid, 1, 1, config],
          [c.name, 'up', c.zero.pid, 1, 1, null],
        ],
      );
    }
    for (const { memory_bytes, cpu_percent, uptime_ms } of await listed(t, me, folder)) {
      assert.ok(memory_bytes !== null && memory_bytes > 2 ** 20);
      assert.ok(cpu_percent !== null && uptime_ms !== null && uptime_ms > 0);
    }
    const text = await runIn(t, me, folder, 'list');
    assert.match(
      text.stdout,
      /^NAME +(?:USER +)?STATE +GEN +WORKERS +RESTARTS +CPU +MEMORY +UPTIME +LISTENERS +RELEASE\n/,
    );
    assert.match(text.stdout, new RegExp(`^${a.name} .*up +1 +2/2 +0 `, 'm'));
    assert.equal((await runIn(t, me, folder, 'stop', '--name', b.name)).code, 0);
    assert.deepEqual(
      (await listed(t, me, folder)).map(({ name }) => name),
      [a.name, c.name],
    );
  });

  it('shows a halted supervisor, and a killed one whose service runs', DEADLINE, async (t) => {
    const { me, folder } = ordinaryUser(t);
    for (const name of ['halted', 'killed', 'gone', 'up']) writeService(me, join(folder, name));
    const start = (name: string) =>
      startIn(t, me, join(folder, name), 'run', '--name', name, '--', process.execPath, 'app.js');
    const [halted, killed, gone, up] = [
      await start('halted'),
      await start('killed'),
      await start('gone'),
      await start('up'),
    ];
    halted.zero.signal('SIGSTOP');
    t.after(() => void halted.zero.process.kill('SIGCONT'));
    await killWithKeeper(killed.zero);
    const { pid } = await killed.zero.fact('worker_spawned');
    // Killed with its service: only its directory remains.
    await killWithKeeper(gone.zero);
    const worker = await gone.zero.fact('worker_spawned');
    process.kill(worker.pid, 'SIGKILL');
    await whenEnded(worker.pid);

    const started = performance.now();
    const all = await listed(t, me, folder);
    assert.ok(performance.now() - started < 10_000);
    assert.deepEqual(
      all.map(({ name, state, workers }) => [name, state, workers?.up]),
      [
        ['halted', 'not_answering', undefined],
        ['killed', 'killed', 1],
        ['up', 'up', 1],
      ],
    );
    assert.match(all[0]?.problem ?? '', /has not answered within 2 s/);
    assert.match(
      all[1]?.problem ?? '',
      new RegExp(`zero \\(pid ${killed.zero.pid}\\) has ended, and its service still runs: pid ${pid}$`),
    );
    const { code, stderr } = await runIn(t, me, folder, 'reload', '--name', 'killed');
    assert.equal(code, 3);
    assert.match(
      stderr,
      /^zero reload: instance killed is not running: zero \(pid \d+\) has died, and its service still runs /,
    );
    // The only one that responds, although others have directories.
    assert.equal((await runIn(t, me, folder, 'stop', '--name', 'up')).code, 0);
    await up.zero.exited;
    halted.zero.signal('SIGCONT');
    assert.equal((await listed(t, me, folder))[0]?.state, 'up');
  });

  it('ignores a damaged record, and still finds the instance by its name', DEADLINE, async (t) => {
    const { me, folder } = ordinaryUser(t);
    writeService(me, folder);
    const { zero, name } = await startIn(t, me, folder, 'run', '--', process.execPath, 'app.js');
    const [one] = await listed(t, me, folder);
    assert.ok(one);
    const record = join(one.runtime_directory, 'instance.json');
    assert.equal(JSON.parse(readFileSync(record, 'utf8')).pid, zero.pid);
    for (const damage of [() => writeFileSync(record, '{"version":1'), () => rmSync(record)]) {
      damage();
      assert.deepEqual(
        (await listed(t, me, folder)).map(({ pid }) => pid),
        [zero.pid],
      );
      assert.equal((await runIn(t, me, folder, 'status', '--name', name)).code, 0);
    }
  });
});
