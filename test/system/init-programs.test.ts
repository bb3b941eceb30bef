import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { startBackend } from '../support/backend.ts';
import { requireProgram } from '../support/debian.ts';
import { runScript } from '../support/fastcgi.ts';
import { freeAddress, freePort } from '../support/free-address.ts';
import { type Load, startLoad } from '../support/load.ts';
import { nginxBuffers } from '../support/nginx.ts';
import { ROOT, ZERO_COMMAND } from '../support/paths.ts';
import { IS_ROOT } from '../support/privileges.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { DEADLINE, startZero, type Zero } from '../support/zero.ts';

const REQUESTS = 50;
const CLIENTS = 4;

interface Place {
  readonly folder: string;
  /** A free HOST:PORT. */
  readonly address: string;
  /** The port of that address. */
  readonly port: string;
}

interface Program {
  readonly name: string;
  /** Names of the executable. The first installed one is used. */
  readonly commands: readonly string[];
  readonly debianPackage: string;
  /** Writes the program's own files without any setting for zero. Returns its arguments. */
  setUp(t: TestContext, place: Place): Promise<readonly string[]> | readonly string[];
  /** The changes that the command requires first. */
  readonly changes?: RegExp;
}

/** The output of `zero init`. */
function init(folder: string, command: readonly string[]): string {
  const [program, ...first] = ZERO_COMMAND;
  return execFileSync(program, [...first, 'init', '--', ...command], {
    cwd: folder,
    env: { ...process.env, ZERO_CONFIG: '' },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** Starts zero with the written config, and with directories of the test. */
function start(t: TestContext, folder: string): Zero {
  const directories = `application: { runtime_directory: ${folder}/run, data_directory: ${folder}/data, logging: { format: json } }\n`;
  writeFileSync(join(folder, 'own.yaml'), directories + readFileSync(join(folder, 'zero.yaml'), 'utf8'));
  return startZero(t, { folder, args: ['--config', 'own.yaml'] });
}

/** One reload under continuous requests. */
async function reload(zero: Zero, phase: (name: string) => Promise<void>): Promise<void> {
  await phase('before');
  zero.signal('SIGHUP');
  await zero.fact('worker_spawned', { generation: 2 });
  await phase('starting');
  await zero.fact('handover_finished', { outcome: 'promoted', generation: 2 });
  await phase('promoted');
  await zero.fact('generation_gone', { generation: 1 });
  await phase('after');
}

async function end(zero: Zero): Promise<void> {
  zero.signal('SIGTERM');
  assert.deepEqual(await zero.exited, { code: 0, signal: null });
  const unwanted = ['worker_killed', 'leftovers_killed', 'error'];
  assert.deepEqual(
    zero.log.facts.filter(({ event }) => unwanted.includes(event)),
    [],
  );
}

async function placeOf(t: TestContext): Promise<Place> {
  const folder = temporaryFolder(t);
  // For a service that drops its privileges.
  chmodSync(folder, 0o755);
  const address = await freeAddress();
  return { folder, address, port: address.replace(/.*:/, '') };
}

function programOf(t: TestContext, { commands, debianPackage }: Program): string | null {
  for (const command of commands.slice(0, -1)) {
    const found = requireProgram({ skip: () => {} }, command, debianPackage, false);
    if (found !== null) return found;
  }
  return requireProgram(t, commands.at(-1) ?? '', debianPackage);
}

async function phaseOf(load: Load, name: string): Promise<void> {
  load.phase(name);
  await load.whenPhaseHas(REQUESTS);
}

const nginx: Program = {
  name: 'nginx',
  commands: ['nginx'],
  debianPackage: 'nginx-light',
  setUp(_, { folder, address, port }) {
    mkdirSync(join(folder, 'sites'));
    const user = IS_ROOT ? 'user www-data;\n' : '';
    writeFileSync(
      join(folder, 'nginx.conf'),
      `${user}pid ${folder}/nginx.pid;
events {}
http {
  access_log off; # listen 80;
  ${nginxBuffers(folder)}
  include sites/*;
}
`,
    );
    const server = (listen: string) => `server {\n  listen ${listen};\n  return 200 "hello\\n";\n}\n`;
    writeFileSync(join(folder, 'sites', 'one'), server(`${address} default_server`));
    writeFileSync(join(folder, 'sites', 'two'), server(`[::1]:${port}`));
    return ['-c', `${folder}/nginx.conf`, '-e', 'stderr'];
  },
};

const haproxy: Program = {
  name: 'haproxy',
  commands: ['haproxy'],
  debianPackage: 'haproxy',
  async setUp(t, { folder, address }) {
    const backend = await startBackend(t);
    const text = (bind: string) => `defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend http
  bind ${bind}
  default_backend app
backend app
  server app1 ${backend.address}
`;
    writeFileSync(join(folder, 'haproxy.cfg'), text(address));
    // The change that the command requires.
    writeFileSync(join(folder, 'haproxy.changed'), text('fd@3'));
    return ['-f', 'haproxy.cfg'];
  },
  changes: /^Before you start it: haproxy\.cfg: write "bind fd@3" instead of "bind 127[\d.]+:\d+"\.$/m,
};

const gunicorn: Program = {
  name: 'gunicorn',
  commands: ['gunicorn'],
  debianPackage: 'gunicorn',
  setUp(_, { folder, address }) {
    writeFileSync(
      join(folder, 'app.py'),
      'def application(environ, start):\n    start("200 OK", [("Content-Length", "2")])\n    return [b"ok"]\n',
    );
    return ['--bind', address, '--workers', '2', 'app:application'];
  },
};

const uvicorn: Program = {
  name: 'uvicorn',
  commands: ['uvicorn'],
  debianPackage: 'uvicorn',
  setUp(_, { folder, address, port }) {
    writeFileSync(
      join(folder, 'app.py'),
      `async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
`,
    );
    return ['app:app', '--lifespan', 'off', '--host', address.replace(/:\d+$/, ''), '--port', port];
  },
};

/** puma 5 without the gem sd_notify reports an error if NOTIFY_SOCKET is set. */
const puma: Program = {
  name: 'puma',
  commands: ['puma'],
  debianPackage: 'puma',
  setUp(_, { folder, address }) {
    writeFileSync(join(folder, 'config.ru'), 'run ->(_) { [200, { "content-length" => "2" }, ["ok"]] }\n');
    mkdirSync(join(folder, 'config'));
    writeFileSync(join(folder, 'config', 'puma.rb'), `threads 1, 4\nbind "tcp://${address}"\n`);
    return [];
  },
};

for (const program of [nginx, haproxy, gunicorn, uvicorn, puma]) {
  describe(`zero init -- ${program.name}`, () => {
    it('writes a config that serves, and reloads without losing a request', DEADLINE, async (t) => {
      const command = programOf(t, program);
      if (command === null) return;
      const place = await placeOf(t);
      const { folder, address } = place;
      const said = init(folder, [command, ...(await program.setUp(t, place))]);
      assert.match(said, program.changes ?? /^Wrote zero\.yaml\. Review it, then run: zero\n$/);
      if (program.changes) {
        const file = join(folder, `${program.name}.cfg`);
        writeFileSync(file, readFileSync(join(folder, `${program.name}.changed`)));
      }
      const zero = start(t, folder);
      await zero.fact('handover_finished', { outcome: 'promoted' });
      const load = startLoad(t, { target: address, clients: CLIENTS });
      await reload(zero, (name) => phaseOf(load, name));
      assert.deepEqual((await load.stop()).failures, {});
      await end(zero);
      assert.doesNotMatch(zero.log.text, /sd_notify/);
    });
  });
}

describe('zero init -- php-fpm', () => {
  it('writes a config that serves, and reloads without losing a request', DEADLINE, async (t) => {
    const commands = ['php-fpm8.4', 'php-fpm8.3', 'php-fpm8.2', 'php-fpm'];
    const fpm = programOf(t, { name: 'php-fpm', commands, debianPackage: 'php-fpm', setUp: () => [] });
    if (fpm === null) return;
    const { folder, address } = await placeOf(t);
    mkdirSync(join(folder, 'pool.d'));
    const user = IS_ROOT ? 'user = www-data\ngroup = www-data\n' : '';
    const main = (timeout: string) =>
      writeFileSync(
        join(folder, 'php-fpm.conf'),
        `[global]\nerror_log = /dev/stderr\n${timeout}include = ${folder}/pool.d/*.conf\n`,
      );
    main('');
    writeFileSync(
      join(folder, 'pool.d', 'www.conf'),
      `[www]\n${user};listen = 9000\nlisten = ${address}\npm = static\npm.max_children = 4\n`,
    );
    writeFileSync(join(folder, 'index.php'), '<?php echo "ok";\n');
    const said = init(folder, [fpm, '-y', join(folder, 'php-fpm.conf')]);
    assert.match(
      said,
      /^Before you start it: .*php-fpm\.conf: set process_control_timeout = 25s under \[global\]\.$/m,
    );
    main('process_control_timeout = 25s\n');
    const zero = start(t, folder);
    await zero.fact('handover_finished', { outcome: 'promoted' });
    const failures: string[] = [];
    let served = 0;
    let running = true;
    let enough = () => {};
    const ask = async (): Promise<void> => {
      while (running) {
        try {
          assert.match(await runScript(address, join(folder, 'index.php')), /\r\n\r\nok$/);
          served += 1;
        } catch (error) {
          failures.push(String(error));
        }
        enough();
      }
    };
    const clients = Array.from({ length: CLIENTS }, ask);
    await reload(zero, (name) => {
      const target = served + REQUESTS;
      return new Promise<void>((resolve, reject) => {
        enough = () => {
          if (failures.length > 0) reject(new Error(`${name}: ${failures[0]}`));
          else if (served >= target) resolve();
        };
      });
    });
    running = false;
    await Promise.all(clients);
    assert.deepEqual(failures, []);
    await end(zero);
  });
});

describe('zero init -- node', () => {
  const EXPRESS = `const express = require('express');
const app = express();
app.get('/', (_, response) => response.send('ok'));
const port = process.env.PORT || PORT_HERE;
app.listen(port);
`;
  const FASTIFY = `import Fastify from 'fastify';
const app = Fastify();
app.get('/', async () => 'ok');
await app.listen({ port: PORT_HERE });
`;
  for (const [name, file, text] of [
    ['express', 'server.cjs', EXPRESS],
    ['fastify', 'server.mjs', FASTIFY],
  ] as const) {
    it(`finds ${name} and its port, serves, and reloads without losing a request`, DEADLINE, async (t) => {
      const { folder } = await placeOf(t);
      // These programs listen on every address of the machine.
      const port = String(await freePort());
      symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
      writeFileSync(join(folder, 'package.json'), JSON.stringify({ dependencies: { [name]: '*' } }));
      writeFileSync(join(folder, file), text.replace('PORT_HERE', port));
      init(folder, ['node', file]);
      const config = readFileSync(join(folder, 'zero.yaml'), 'utf8');
      assert.match(config, new RegExp(`package\\.json has ${name}, which needs no change`, 'i'));
      const zero = start(t, folder);
      await zero.fact('handover_finished', { outcome: 'promoted' });
      const load = startLoad(t, { target: `127.0.0.1:${port}`, clients: CLIENTS });
      await reload(zero, (phase) => phaseOf(load, phase));
      assert.deepEqual((await load.stop()).failures, {});
      await end(zero);
    });
  }
});
