import assert from 'node:assert/strict';
import { linkSync, readFileSync, renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ordinaryUser, runIn, startIn, writeService, writeUnnamedConfig } from '../support/operators.ts';
import { DEADLINE, type Zero } from '../support/zero.ts';

const reloadsOf = ({ log }: Zero): number => log.all('reload_requested').length;

describe('zero reload, stop and rollback with the config of a service that is not running', () => {
  it('exit with 3, and do not affect the service with the other config', DEADLINE, async (t) => {
    const { me, folder } = ordinaryUser(t);
    writeService(me, folder);
    const one = writeUnnamedConfig(join(folder, 'one.yaml'), ['app.js']);
    const other = writeUnnamedConfig(join(folder, 'other.yaml'), ['app.js']);
    const { zero } = await startIn(t, me, folder, '--config', one);
    const before = reloadsOf(zero);
    for (const command of ['reload', 'stop', 'rollback', 'abort', 'promote', 'status', 'history', 'logs']) {
      const { code, stdout, stderr } = await runIn(t, me, folder, command, '--config', other);
      assert.deepEqual([code, stdout], [3, ''], command);
      assert.match(
        stderr,
        new RegExp(`^zero ${command}: no instance that was started from ${other} is running\\. Looked in `),
      );
    }
    const here = { ...me, environment: { ...me.environment, ZERO_CONFIG: other } };
    assert.equal((await runIn(t, here, folder, 'reload', '--config', other)).code, 3);
    assert.deepEqual([reloadsOf(zero), zero.log.all('stop_requested').length], [before, 0]);
    assert.equal((await runIn(t, me, folder, 'reload', '--config', one)).code, 0);
    assert.equal((await runIn(t, me, folder, 'stop', '--config', 'one.yaml')).code, 0);
    assert.equal((await zero.exited).code, 0);
  });

  it('exit with 3 in the directory of its zero.yaml, although another service runs', DEADLINE, async (t) => {
    const { me, folder } = ordinaryUser(t);
    for (const name of ['a', 'b']) {
      writeService(me, join(folder, name));
      writeUnnamedConfig(join(folder, name, 'zero.yaml'), ['app.js']);
    }
    const a = await startIn(t, me, join(folder, 'a'));
    for (const command of ['reload', 'stop', 'status']) {
      const { code, stderr } = await runIn(t, me, join(folder, 'b'), command);
      assert.equal(code, 3, stderr);
    }
    const b = await startIn(t, me, join(folder, 'b'));
    assert.notEqual(a.name, b.name);
    assert.equal((await runIn(t, me, join(folder, 'b'), 'stop')).code, 0);
    assert.equal((await b.zero.exited).code, 0);
    assert.deepEqual([reloadsOf(a.zero), a.zero.log.all('stop_requested').length], [0, 0]);
  });
});

describe('a moved config file of a running service', () => {
  it(
    'is found by a symlink, a hard link, a relative path, and after it was replaced',
    DEADLINE,
    async (t) => {
      const { me, folder } = ordinaryUser(t);
      writeService(me, folder);
      const config = writeUnnamedConfig(join(folder, 'web.yaml'), ['app.js']);
      const { zero } = await startIn(t, me, folder, '--config', config);
      symlinkSync(config, join(folder, 'symlink.yaml'));
      linkSync(config, join(folder, 'hard.yaml'));
      const found = async (file: string) =>
        JSON.parse((await runIn(t, me, folder, 'status', '--json', '--config', file)).stdout || '{}').pid;
      for (const file of ['symlink.yaml', 'hard.yaml', './web.yaml', '../web.yaml'.replace('..', folder)])
        assert.equal(await found(file), zero.pid, file);
      // Like an editor that saves: another file is renamed over it.
      renameSync(writeUnnamedConfig(join(folder, 'new'), ['app.js']), config);
      assert.equal(await found('web.yaml'), zero.pid);
      assert.equal((await runIn(t, me, folder, 'reload', '--config', 'web.yaml')).code, 0);
      // Only the file of the serving release is recorded.
      renameSync(config, join(folder, 'moved.yaml'));
      assert.equal(await found('moved.yaml'), zero.pid);
      const other = writeUnnamedConfig(join(folder, 'unrelated.yaml'), ['app.js']);
      assert.equal((await runIn(t, me, folder, 'stop', '--config', other)).code, 3);
      assert.equal((await runIn(t, me, folder, 'stop', '--config', config)).code, 0);
      assert.equal((await zero.exited).code, 0);
    },
  );

  it('is refused if two services were started from it', DEADLINE, async (t) => {
    const { me, folder } = ordinaryUser(t);
    writeService(me, folder);
    const named = (name: string) => ({
      application: {
        logging: { format: 'json' },
        runtime_directory: join(folder, name),
        data_directory: join(folder, `${name}-data`),
      },
      service: { runtime: { name, path: process.execPath, args: ['app.js'], directory: folder } },
    });
    const config = writeUnnamedConfig(join(folder, 'zero.yaml'), [], named('first'));
    const first = await startIn(t, me, folder);
    writeUnnamedConfig(config, [], named('second'));
    const second = await startIn(t, me, folder);
    const { code, stderr } = await runIn(t, me, folder, 'stop');
    assert.equal(code, 2);
    assert.match(
      stderr,
      /^zero stop: more than one instance for zero\.yaml is running: first, second\. Choose one with --name NAME\.\n$/,
    );
    assert.equal((await runIn(t, me, folder, 'stop', '--name', 'second')).code, 0);
    assert.equal((await second.zero.exited).code, 0);
    assert.equal((await runIn(t, me, folder, 'stop')).code, 0);
    assert.equal((await first.zero.exited).code, 0);
  });
});

describe('zero run without a name in two directories', () => {
  it('has two names and two histories: no rollback reaches the other program', DEADLINE, async (t) => {
    const { me, folder } = ordinaryUser(t);
    const [a, b] = [join(folder, 'a'), join(folder, 'b')];
    for (const directory of [a, b]) writeService(me, directory);
    const first = await startIn(t, me, a, 'run', '--', process.execPath, 'app.js');
    assert.match(first.name, /^a-[0-9a-f]{8}$/);
    assert.equal((await runIn(t, me, a, 'stop', '--name', first.name)).code, 0);
    await first.zero.exited;
    const second = await startIn(t, me, b, 'run', '--', process.execPath, 'app.js');
    assert.match(second.name, /^b-[0-9a-f]{8}$/);
    const { code, stderr } = await runIn(t, me, b, 'rollback', '--name', second.name);
    assert.equal(code, 1);
    assert.match(stderr, /there is nothing to roll back to/);
    const { generations } = JSON.parse(
      (await runIn(t, me, b, 'history', '--json', '--name', second.name)).stdout,
    );
    assert.deepEqual(
      generations.map(({ release }: { release: { directory: string } }) => release.directory),
      [b],
    );
    const again = await startIn(t, me, a, 'run', '--', process.execPath, 'app.js');
    assert.equal(again.name, first.name);
    assert.deepEqual(again.zero.log.all('generation_promoted')[0]?.generation, 2);
  });

  it('is advised to choose another --name if both are the same', DEADLINE, async (t) => {
    const { me, folder } = ordinaryUser(t);
    writeService(me, folder);
    const command = ['run', '--', process.execPath, 'app.js'];
    const { zero, name } = await startIn(t, me, folder, ...command);
    const { code, stderr } = await runIn(t, me, folder, ...command);
    assert.equal(code, 1);
    assert.match(
      stderr,
      new RegExp(
        `^zero: another zero \\(pid ${zero.pid}\\) runs as "${name}" .*, or give this one another --name\n$`,
      ),
    );
  });
});

it(
  'zero init writes another name if a service in another directory has the first one',
  DEADLINE,
  async (t) => {
    const { me, folder } = ordinaryUser(t);
    const [a, b] = [join(folder, 'a'), join(folder, 'b')];
    for (const directory of [a, b]) writeService(me, directory, 'worker.js');
    const init = ['init', '--', process.execPath, 'worker.js'];
    assert.equal((await runIn(t, me, a, ...init)).code, 0);
    const nameIn = (directory: string) =>
      /^ {4}name: (.*)$/m.exec(readFileSync(join(directory, 'zero.yaml'), 'utf8'))?.[1] ?? '';
    assert.equal(nameIn(a), 'worker');
    const { zero } = await startIn(t, me, a, 'run', '--name', 'worker', '--', process.execPath, 'worker.js');
    zero.signal('SIGTERM');
    await zero.exited;
    assert.equal((await runIn(t, me, b, ...init)).code, 0);
    assert.match(nameIn(b), /^worker-[0-9a-f]{8}$/);
  },
);
