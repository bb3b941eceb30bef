// Commands that start Node in other ways than `node app.js`, under `zero run`.
import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, describe, it } from 'node:test';
import { freeAddress } from '../support/free-address.ts';
import { installZero } from '../support/installed.ts';
import { account, asAccount, IS_ROOT, sharedFolder } from '../support/privileges.ts';
import { whoAnswers } from '../support/puppet-service.ts';
import type { Scope } from '../support/temporary.ts';
import { DEADLINE, runZero, startZero, type Zero, type ZeroOptions } from '../support/zero.ts';

/** With Node's own directory first, so that `#!/usr/bin/env node` is the Node that runs these tests. */
const PATH = `${dirname(process.execPath)}:${process.env.PATH ?? '/usr/bin:/bin'}`;

const NOBODY = account('nobody');
const INSTALLED = installZero({ after: (cleanup) => after(cleanup) });

const app = (firstLine: string, module: 'node:http' | 'import') => `${firstLine}
${module === 'import' ? "import { createServer } from 'node:http';" : "const { createServer } = require('node:http');"}
const [host, port] = process.env.ADDRESS.split(':');
createServer((_, response) =>
  response.end(JSON.stringify({ generation: Number(process.env.ZERO_GENERATION), pid: process.pid })),
).listen(Number(port), host);
`;

interface Files {
  readonly folder: string;
  readonly address: string;
}

/** Writes the programs of these tests. */
async function files(scope: Scope): Promise<Files> {
  const folder = sharedFolder(scope);
  if (IS_ROOT) chownSync(folder, NOBODY.uid, NOBODY.gid);
  const executable = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    chmodSync(join(folder, name), 0o755);
  };
  const bin = join(folder, 'node_modules', '.bin');
  mkdirSync(bin, { recursive: true });
  mkdirSync(join(folder, 'node_modules', 'start'));
  writeFileSync(join(folder, 'package.json'), '{}');
  executable('app.js', app('', 'node:http'));
  executable('app.mjs', app('#!/usr/bin/env node', 'import'));
  executable('flags.js', app('#!/usr/bin/env -S node --no-warnings', 'node:http'));
  executable('direct.js', app(`#!${process.execPath}`, 'node:http'));
  executable('node_modules/start/cli.js', app('#!/usr/bin/env node', 'node:http'));
  symlinkSync('../start/cli.js', join(bin, 'start'));
  executable('entrypoint.sh', '#!/bin/sh\nset -e\n# Before the service.\ntrue\nexec node "$@"\n');
  executable('command.sh', '#!/bin/sh\nexec "$@"\n');
  executable('forking.sh', '#!/bin/sh\nnode "$@"\nexit $?\n');
  return { folder, address: await freeAddress() };
}

/** zero as an ordinary user with instances in the directory. Those of root would be in system directories. */
function ordinary({ folder, address }: Files, args: readonly string[]): ZeroOptions {
  return {
    folder,
    command: IS_ROOT ? [...asAccount(NOBODY), ...INSTALLED.command] : INSTALLED.command,
    args,
    environment: { ADDRESS: address, PATH, XDG_RUNTIME_DIR: folder, XDG_STATE_HOME: folder },
  };
}

function run(scope: Scope, files: Files, listen: string, ...command: readonly string[]): Zero {
  return startZero(scope, ordinary(files, ['run', '--listen', listen, '--name', 'test', '--', ...command]));
}

const portOf = (address: string): string => address.split(':').at(-1) ?? '';

describe('zero run serves and reloads', () => {
  const commands: Readonly<Record<string, readonly string[]>> = {
    'a script with #!/usr/bin/env node': ['./app.mjs'],
    'a script with flags behind env -S': ['./flags.js'],
    "a script with node's own path": ['./direct.js'],
    'a link in node_modules/.bin': ['node_modules/.bin/start'],
    'env -S': ['env', '-S', 'node --no-warnings', 'app.js'],
    'a command in sh -c': ['sh', '-c', 'exec node app.js'],
    'a shell that executes its last command': ['bash', '-c', 'node app.js'],
    'a script that executes node': ['./entrypoint.sh', 'app.js'],
    'a script that executes its arguments': ['./command.sh', 'node', 'app.js'],
    'a script that a shell reads': ['sh', 'entrypoint.sh', 'app.js'],
    nice: ['nice', '-n', '1', 'node', 'app.js'],
  };
  for (const [name, command] of Object.entries(commands))
    it(name, DEADLINE, async (t) => {
      const given = await files(t);
      const zero = run(t, given, given.address, ...command);
      const { pid } = await zero.fact('worker_spawned', { generation: 1 });
      await zero.fact('generation_promoted', { generation: 1 });
      assert.deepEqual(await whoAnswers(given.address), { generation: 1, pid });
      zero.signal('SIGHUP');
      await zero.fact('generation_gone', { generation: 1 });
      assert.equal((await whoAnswers(given.address)).generation, 2);
      zero.signal('SIGTERM');
      assert.deepEqual(await zero.exited, { code: 0, signal: null });
    });
});

it('a shell that keeps running next to node is reported with the solution', DEADLINE, async (t) => {
  const given = await files(t);
  const zero = run(t, given, given.address, './forking.sh', 'app.js');
  const { failure } = await zero.fact('handover_finished', { handover: 1 });
  assert.ok(failure);
  const held = `${given.address} is the address of listener listener1, which zero holds`;
  assert.ok(failure.reason.includes(held), failure.reason);
  assert.match(
    failure.reason,
    /Start node itself, or write "exec node \.\.\." in the script that starts it\.$/,
  );
});

describe('zero run refuses a command that starts node as a child process, with an alternative', () => {
  const refused: readonly [command: string, instead: string][] = [
    ['tsx app.ts', 'node --import tsx app.ts'],
    ['node_modules/.bin/tsx watch app.ts --port 1', 'node --import tsx app.ts --port 1'],
    ['nodemon --watch src app.js', 'node app.js'],
    ['node --watch app.js', 'node app.js'],
    ['node --watch-path src --enable-source-maps app.js', 'node --enable-source-maps app.js'],
    ['sh -c nodemon', 'node app.js'],
    ['dash -c node_app.js', 'node app.js'],
    ['tini -- node app.js', 'node app.js'],
    ['cross-env A=1 node app.js', 'env A=1 node app.js'],
    ['pm2-runtime start app.js', 'node app.js'],
  ];
  for (const [line, instead] of refused)
    it(line, DEADLINE, async (t) => {
      const words = line.split(' ').map((word) => word.replace('node_app', 'node app'));
      const args = ['run', '--listen', '8080', '--', ...words];
      const { code, stderr } = await runZero(t, ordinary(await files(t), args));
      assert.equal(code, 2);
      assert.ok(stderr.startsWith('zero run: '), stderr);
      assert.ok(stderr.includes(`Start node itself: zero run --listen 8080 -- ${instead}`), stderr);
    });
});

it('zero init loads the module for a script with #!/usr/bin/env node', DEADLINE, async (t) => {
  const given = await files(t);
  const args = ['init', '--listen', given.address, '--name', 'test', '--', './app.mjs'];
  assert.equal((await runZero(t, ordinary(given, args))).code, 0);
  const zero = startZero(t, ordinary(given, ['--config', 'zero.yaml']));
  await zero.fact('generation_promoted', { generation: 1 });
  assert.equal((await whoAnswers(given.address)).generation, 1);
});

describe('a program that requests one address never gets a socket of every address', () => {
  // The kernel chooses the port: another program may listen on a fixed one on every address.
  const PORT = String.raw`const port = Number(/\d+$/.exec(JSON.parse(process.env.ZERO_LISTENERS)[0].address)[0]);`;
  const listening = (host: string) =>
    `require('node:http').createServer((_, response) => response.end('{"pid":1}')).listen(port, ${host});`;

  /** Runs the program with one listener. */
  async function start(scope: Scope, listen: string | null, program: string): Promise<Zero> {
    const given = await files(scope);
    writeFileSync(join(given.folder, 'program.js'), `${PORT}\n${program}`);
    return run(scope, given, listen ?? given.address, 'node', 'program.js');
  }

  for (const [host, asked] of [
    ["'127.0.0.1'", '127.0.0.1'],
    ["'localhost'", 'localhost'],
    ["'::1'", '[::1]'],
  ] as const)
    it(`listen(port, ${host}) is refused with the flag to use`, DEADLINE, async (t) => {
      const zero = await start(t, '0', listening(host));
      const { failure } = await zero.fact('handover_finished', { handover: 1 });
      const address = await zero.address('listener1');
      const wanted = `${asked}:${portOf(address)}`;
      assert.ok(
        failure?.reason.includes(
          `descriptor 3 (listener1), handed over by zero, is open to every address (${address}), and the program asks for ${wanted} only. ` +
            `Listen on that address (zero run --listen ${wanted}`,
        ),
        failure?.reason,
      );
      assert.deepEqual(zero.log.all('generation_promoted'), []);
    });

  for (const host of ["'0.0.0.0'", "'::'", 'undefined'])
    it(`listen(port, ${host}) uses the socket of one address`, DEADLINE, async (t) => {
      const zero = await start(t, null, listening(host));
      await zero.fact('generation_promoted', { generation: 1 });
      assert.equal((await whoAnswers(await zero.address('listener1'))).pid, 1);
    });

  it('and a search for a free port finds it free', DEADLINE, async (t) => {
    const finder = `const { createServer } = require('node:net');
      const free = (host) => new Promise((resolve, reject) => {
        const server = createServer().once('error', reject).listen({ port, host }, () => server.close(resolve));
      });
      (async () => {
        for (const host of [undefined, '127.0.0.1', '0.0.0.0']) await free(host);
        ${listening('undefined')}
      })();`;
    const zero = await start(t, '0', finder);
    await zero.fact('generation_promoted', { generation: 1 });
    const port = portOf(await zero.address('listener1'));
    assert.equal((await whoAnswers(`127.0.0.1:${port}`)).pid, 1);
  });

  it('in the worker of a cluster neither', DEADLINE, async (t) => {
    const cluster = `const cluster = require('node:cluster');
      if (cluster.isPrimary) cluster.fork().on('exit', (code) => process.exit(code));
      else { ${listening("'127.0.0.1'")} }`;
    const zero = await start(t, '0', cluster);
    const { failure } = await zero.fact('handover_finished', { handover: 1 });
    const port = portOf(await zero.address('listener1'));
    assert.ok(failure?.reason.includes(`zero run --listen 127.0.0.1:${port}`), failure?.reason);
  });
});
