import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chownSync, cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { HistoryDocument, StatusDocument } from '../../src/control/protocol.ts';
import { command } from '../support/command.ts';
import { freeAddress } from '../support/free-address.ts';
import { installZero } from '../support/installed.ts';
import { ZERO_COMMAND } from '../support/paths.ts';
import { account, asAccount, IS_ROOT, sharedFolder } from '../support/privileges.ts';
import { releaseFolders } from '../support/release-folders.ts';
import { reversed, type Scope, temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero, type Zero } from '../support/zero.ts';

/** An unchanged Node program that responds with the name of its release. */
const program = (release: string, address: string) => `
const { createServer } = require('node:http');
const [host, port] = ${JSON.stringify(address)}.split(':');
createServer((_, response) => response.end(${JSON.stringify(release)})).listen(Number(port), host);
`;

async function ask(address: string): Promise<string> {
  const response = await fetch(`http://${address}/`, { headers: { connection: 'close' } });
  return response.text();
}

async function reload(zero: Zero, generation: number): Promise<void> {
  zero.signal('SIGHUP');
  await zero.fact('generation_promoted', { generation });
}

/** Starts `zero run` in the directory `current` as an ordinary user, whose default directories the test can remove. */
function runIn(scope: Scope, folder: string, address: string, pwd: string): Zero {
  const { command: program } = installZero(scope);
  const nobody = account('nobody');
  if (IS_ROOT) chownSync(folder, nobody.uid, nobody.gid);
  return startZero(scope, {
    folder,
    directory: join(folder, 'current'),
    command: IS_ROOT ? [...asAccount(nobody), ...program] : program,
    args: ['run', '--name', 'linked', '--listen', address, '--', 'node', 'app.cjs'],
    environment: { PWD: pwd, XDG_RUNTIME_DIR: folder, XDG_STATE_HOME: folder },
  });
}

describe('cd current && zero run -- node app.cjs', () => {
  it(
    'runs the new release after the link is replaced, also if the old directory is removed',
    DEADLINE,
    async (test) => {
      const t = reversed(test);
      const folder = sharedFolder(t);
      const address = await freeAddress();
      const { current, add, use, prune } = releaseFolders(folder);
      for (const name of ['41', '42', '43']) add(name, { 'app.cjs': program(name, address) });
      use('41');
      const zero = runIn(t, folder, address, current);
      await zero.fact('generation_promoted', { generation: 1 });
      assert.equal(await ask(address), '41');
      use('42');
      await reload(zero, 2);
      assert.equal(await ask(address), '42');
      prune('41');
      use('43');
      await reload(zero, 3);
      assert.equal(await ask(address), '43');
      assert.deepEqual(
        zero.log.all('release_labelled').map(({ generation, label, from }) => [generation, label, from]),
        [
          [1, '41', 'link'],
          [2, '42', 'link'],
          [3, '43', 'link'],
        ],
      );
      zero.signal('SIGTERM');
      await zero.exited;
    },
  );

  for (const [what, pwd] of [
    ['another directory', (folder: string) => folder],
    ['a removed directory', (folder: string) => join(folder, 'gone')],
    ['a relative path', () => 'current'],
    ['a path with dots', (folder: string) => `${folder}/releases/../current`],
    ['a symlink loop', (folder: string) => join(folder, 'loop')],
    ['a file', (folder: string) => join(folder, 'releases/41/app.cjs')],
    ['nothing', () => ''],
    ['a path that is too long', () => `/${'x'.repeat(5000)}`],
  ] as const) {
    it(`ignores a $PWD that is ${what}`, DEADLINE, async (test) => {
      const t = reversed(test);
      const folder = sharedFolder(t);
      const address = await freeAddress();
      const { add, use } = releaseFolders(folder);
      add('41', { 'app.cjs': program('41', address) });
      use('41');
      symlinkSync('loop', join(folder, 'loop'));
      const zero = runIn(t, folder, address, pwd(folder));
      await zero.fact('generation_promoted', { generation: 1 });
      const { directory } = await zero.fact('service_starting', { generation: 1 });
      assert.equal(directory, join(folder, 'releases/41'));
      assert.equal(await ask(address), '41');
      zero.signal('SIGTERM');
      await zero.exited;
    });
  }
});

it(
  'cd current && zero init -- node app.cjs writes the link everywhere, and a reload follows it',
  DEADLINE,
  async (test) => {
    const t = reversed(test);
    const folder = temporaryFolder(t);
    const address = await freeAddress();
    const { current, add, use, prune } = releaseFolders(folder);
    // Each release contains zero as a dependency of the program.
    const { folder: installed } = installZero(t);
    for (const name of ['41', '42']) {
      const release = add(name, { 'app.cjs': program(name, address) });
      mkdirSync(join(release, 'node_modules/.bin'), { recursive: true });
      cpSync(installed, join(release, 'node_modules/zerodown'), { recursive: true });
      symlinkSync('../zerodown/bin/zero.js', join(release, 'node_modules/.bin/zero'));
    }
    use('41');
    const bin = join(current, 'node_modules/.bin/zero');
    const init = (...args: string[]) =>
      execFileSync(process.execPath, ['node_modules/.bin/zero', 'init', ...args], {
        cwd: current,
        env: { ...process.env, PWD: current, ZERO_CONFIG: '', NODE_OPTIONS: '' },
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
    init('--listen', address, '--', 'node', 'app.cjs');
    const text = readFileSync(join(current, 'zero.yaml'), 'utf8');
    const unit = init('--systemd');
    for (const written of [text, unit]) assert.doesNotMatch(written, /releases/);
    assert.ok(text.includes(`directory: ${current}\n`), text);
    assert.ok(text.includes(`--require=${current}/node_modules/zerodown/dist/service/register.cjs`), text);
    const [, start = ''] = /^ExecStart=(.*)$/m.exec(unit) ?? [];
    assert.equal(
      start,
      `${process.execPath} ${current}/node_modules/zerodown/bin/zero.js --config ${current}/zero.yaml`,
    );

    const directories = `application: { runtime_directory: ${folder}/run, data_directory: ${folder}/data, logging: { format: json } }\n`;
    writeFileSync(join(folder, 'zero.yaml'), directories + text);
    const zero = startZero(t, {
      folder,
      command: [process.execPath, bin],
      args: ['--config', join(folder, 'zero.yaml')],
    });
    await zero.fact('generation_promoted', { generation: 1 });
    use('42');
    await reload(zero, 2);
    assert.equal(await ask(address), '42');
    prune('41');
    await reload(zero, 3);
    assert.equal(await ask(address), '42');
    zero.signal('SIGTERM');
    await zero.exited;
  },
);

it('cd current && zero reads ./zero.yaml of the new release at a reload', {
  timeout: 40_000,
}, async (test) => {
  const t = reversed(test);
  const folder = temporaryFolder(t);
  const address = await freeAddress();
  const { current, add, use, prune } = releaseFolders(folder);
  for (const name of ['41', '42'])
    add(name, {
      'app.cjs': program(name, address),
      'zero.yaml': JSON.stringify({
        application: {
          runtime_directory: join(folder, 'run'),
          data_directory: join(folder, 'data'),
          logging: { format: 'json' },
        },
        service: {
          listeners: [{ name: 'http', address }],
          runtime: {
            name: 'linked',
            path: process.execPath,
            args: ['--require', join(ZERO_COMMAND[1], '../../dist/service/register.cjs'), 'app.cjs', name],
          },
          hooks: { before_reload: { run: ['sh', '-c', 'echo hook in $(basename $(pwd -P))'] } },
        },
      }),
    });
  use('41');
  const zero = startZero(t, { folder, directory: current, environment: { PWD: current } });
  await zero.fact('generation_promoted', { generation: 1 });
  use('42');
  prune('41');
  await reload(zero, 2);
  assert.equal(await ask(address), '42');
  const { output } = await zero.fact('hook_finished', { hook: 'before_reload' });
  assert.deepEqual(output, ['hook in 42']);
  zero.signal('SIGTERM');
  await zero.exited;
});

it('zero history and zero status show the releases by their directories', DEADLINE, async (test) => {
  const t = reversed(test);
  const folder = temporaryFolder(t);
  const address = await freeAddress();
  const { current, add, use } = releaseFolders(folder);
  for (const name of ['2024-01-02', '2024-01-03']) add(name, { 'app.cjs': program(name, address) });
  use('2024-01-02');
  const zero = startZero(t, {
    folder,
    config: {
      application: { admin: { address: '127.0.0.1:0' } },
      service: {
        listeners: [{ name: 'http', address }],
        runtime: {
          directory: current,
          path: process.execPath,
          args: ['--require', join(ZERO_COMMAND[1], '../../dist/service/register.cjs'), 'app.cjs'],
        },
      },
    },
  });
  await zero.fact('generation_promoted', { generation: 1 });
  use('2024-01-03');
  const verdict = await command(t, zero, 'reload', '--json');
  assert.equal(JSON.parse(verdict.stdout).label, '2024-01-03');
  const labelled = await command(t, zero, 'reload', '--label', 'v1.2.3 "blue"');
  assert.match(labelled.stdout, /^handover 3 \(v1\.2\.3 "blue"\) promoted after .*: generation 3 serves\n$/);
  const back = await command(t, zero, 'rollback', '--to', '1');
  assert.match(back.stdout, /^handover 4 \(2024-01-02\) promoted/);
  assert.equal(await ask(address), '2024-01-02');

  const { generations }: HistoryDocument = JSON.parse((await command(t, zero, 'history', '--json')).stdout);
  assert.deepEqual(
    generations.map(({ generation, release }) => [generation, release?.label]),
    [
      [1, '2024-01-02'],
      [2, '2024-01-03'],
      [3, 'v1.2.3 "blue"'],
      [4, '2024-01-02'],
    ],
  );
  const { stdout } = await command(t, zero, 'history');
  assert.match(stdout, /^ {7}RELEASE$/m);
  for (const line of stdout.split('\n')) assert.ok(line.length <= 80, line);
  const status: StatusDocument = JSON.parse((await command(t, zero, 'status', '--json')).stdout);
  assert.equal(status.generations.find(({ stage }) => stage === 'serving')?.release.label, '2024-01-02');
  assert.match((await command(t, zero, 'status')).stdout, /^generation 4 \(2024-01-02\) {2}serving/m);
  const admin = (await zero.fact('admin_listening')).address.replace(/^tcp:/, '');
  const metrics = await (await fetch(`http://${admin}/metrics`)).text();
  assert.match(metrics, /^zero_release_info\{generation="4",label="2024-01-02",path="[^"]*"\} 1$/m);
  const shown = await (await fetch(`http://${admin}/status`)).text();
  assert.ok(shown.includes('"label":"2024-01-02"'), shown);
});
