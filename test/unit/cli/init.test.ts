import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { guess } from '../../../src/cli/init/guess.ts';
import { unitText } from '../../../src/cli/init/unit-text.ts';
import { type InitOptions, init } from '../../../src/cli/init.ts';
import { formatProblem, loadConfig, parseConfig } from '../../../src/config/index.ts';

const DEFAULTS = { listen: [], systemd: false, command: [] };

function setUp(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'zero-init-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const said = { out: '', err: '' };
  const run = (options: Partial<InitOptions>): number => {
    said.out = '';
    said.err = '';
    return init(
      { ...DEFAULTS, config: join(folder, 'zero.yaml'), ...options },
      {
        folder,
        out: (text) => {
          said.out += text;
        },
        err: (text) => {
          said.err += text;
        },
        zero: ['/usr/bin/node', '/opt/zero/bin/zero.js'],
      },
    );
  };
  const text = () => readFileSync(join(folder, 'zero.yaml'), 'utf8');
  return { folder, run, said, text };
}

function serviceOf(text: string) {
  const parsed = parseConfig(text, 'zero.yaml');
  if ('problems' in parsed) assert.fail(parsed.problems.map(formatProblem).join('\n'));
  return parsed.config.service;
}

describe('zero init', () => {
  const COMMANDS: readonly (readonly string[])[] = [
    [process.execPath, 'server.js', '--port', '3000'],
    ['/usr/bin/gunicorn', '--bind', '127.0.0.1:8000', 'shop.wsgi:application'],
    ['/usr/bin/uvicorn', 'app:app', '--host', '::1', '--port', '8000'],
    ['./bin/my server', '', 'null', 'yes', '-', '"quoted"', 'line\nbreak', '0660', '${worker}', 'a: b', '#'],
    ['/bin/sh', '-c', 'exec ./run'],
    [process.execPath, '--require', '@scope/package/register', 'app.js'],
  ];
  for (const command of COMMANDS) {
    it(`writes a config that check accepts with all its suggestions: ${command[0]}`, (t) => {
      const { folder, run, said, text } = setUp(t);
      assert.equal(run({ command }), 0, said.err);
      assert.deepEqual(said, { out: 'Wrote zero.yaml. Review it, then run: zero\n', err: '' });
      const { runtime } = serviceOf(text());
      assert.equal(runtime.path, command[0]);
      assert.deepEqual(runtime.args.slice(0, command.length - 1), command.slice(1));
      assert.equal(runtime.directory, folder);
      const all = text().replaceAll(/^( *)# ([a-z_]+: )/gm, '$1$2');
      assert.notEqual(all, text());
      const suggested = serviceOf(all);
      assert.deepEqual([suggested.runtime.user, suggested.readiness.notify], ['www-data', true]);
    });
  }

  it('keeps given addresses and the given name', (t) => {
    const { run, text } = setUp(t);
    run({ command: ['/bin/cat'], listen: ['8080', 'unix:/run/a b.sock'], name: 'web' });
    const { listeners, runtime } = serviceOf(text());
    assert.deepEqual(
      listeners.map(({ name, address, socket_fd }) => [name, address.text, socket_fd]),
      [
        ['http', 'tcp::8080', 3],
        ['listener2', 'unix:/run/a b.sock', 4],
      ],
    );
    assert.equal(runtime.name, 'web');
  });

  it('prints the option that finds a config in another file', (t) => {
    const { folder, run, said } = setUp(t);
    assert.equal(run({ command: ['/bin/cat'], config: join(folder, 'my web.yaml') }), 0);
    assert.equal(said.out, "Wrote my web.yaml. Review it, then run: zero --config 'my web.yaml'\n");
  });

  it('never overwrites a file', (t) => {
    const { folder, run, said, text } = setUp(t);
    writeFileSync(join(folder, 'zero.yaml'), 'precious');
    assert.equal(run({ command: ['/bin/cat'] }), 1);
    assert.match(said.err, /^zero init: .*zero\.yaml already exists\. Remove it, /);
    assert.equal(text(), 'precious');
  });

  it('reports invalid input, and writes nothing', (t) => {
    const { folder, run, said } = setUp(t);
    for (const [options, message] of [
      [{}, /^zero init: no command given\. /],
      [{ command: ['no-such-command'] }, /^-- no-such-command: was not found in PATH\n$/],
      [{ command: ['/bin/cat'], listen: ['x'] }, /^--listen x: "x" has no port: write "x:8080"\n$/],
      [{ command: ['/bin/cat'], name: 'a/b' }, /^--name a\/b: "a\/b" cannot be the name of a directory/],
      [
        { command: ['npm', 'start'] },
        /^zero init: npm does not pass listening sockets on .* -- node server\.js\n$/,
      ],
    ] as const) {
      assert.equal(run(options), 2, JSON.stringify(options));
      assert.match(said.err, message);
      assert.ok('problems' in loadConfig(join(folder, 'zero.yaml')));
    }
    assert.equal(run({ command: ['/bin/cat'], config: join(folder, 'no', 'zero.yaml') }), 1);
    assert.match(said.err, /^zero init: write .*\/no\/zero\.yaml: ENOENT/);
  });

  it('--systemd prints the unit of the new or the existing config', (t) => {
    const { folder, run, said } = setUp(t);
    assert.equal(run({ command: ['/bin/cat'], name: 'web', systemd: true }), 0);
    assert.match(said.err, /^Wrote zero\.yaml\./);
    const unit = said.out;
    const command = '/usr/bin/node /opt/zero/bin/zero.js';
    assert.ok(unit.includes(`\nExecStart=${command} --config ${folder}/zero.yaml\n`));
    assert.ok(unit.includes(`\nExecReload=${command} reload --config ${folder}/zero.yaml\n`));
    assert.ok(
      unit.includes('\nRuntimeDirectory=zero/web\nRuntimeDirectoryPreserve=yes\nStateDirectory=zero/web\n'),
    );
    assert.match(unit, /\nTimeoutStopSec=35s\n/);
    assert.equal(run({ systemd: true }), 0);
    assert.deepEqual(said, { out: unit, err: '' });
  });

  it('--systemd reports errors of the config', (t) => {
    const { folder, run, said } = setUp(t);
    writeFileSync(join(folder, 'zero.yaml'), 'service: { lisener: [] }\n');
    assert.equal(run({ systemd: true }), 1);
    assert.match(said.err, /did you mean "listeners"/);
    assert.equal(said.out, '');
  });
});

describe('guesses', () => {
  const NAMES: readonly (readonly [string, string])[] = [
    ['node server.js', 'shop'],
    ['node --inspect dist/api.mjs', 'api'],
    ['node --port 80 worker.js', 'worker'],
    ['./bin/my-server -v', 'my-server'],
    ['python3 -m uploads --port 80', 'uploads'],
    ['python3 manage.py runserver', 'shop'],
    ['gunicorn --workers 2 billing:application', 'billing'],
    ['java -jar orders.jar', 'orders'],
  ];
  for (const [command, name] of NAMES) {
    it(`the name of ${command}`, () => assert.equal(guess(command.split(' '), '/srv/shop').name, name));
  }

  const ADDRESSES: readonly (readonly [string, string | null])[] = [
    ['x --port 3000', ':3000'],
    ['x --host 127.0.0.1 -p 3000', '127.0.0.1:3000'],
    ['x --host=::1 --port=3000', '[::1]:3000'],
    ['x -b unix:/run/x.sock', 'unix:/run/x.sock'],
    ['x --bind=0.0.0.0:80', '0.0.0.0:80'],
    ['x --bind fd://3', null],
    ['x -p config', null],
    ['x --port', null],
  ];
  for (const [command, address] of ADDRESSES) {
    it(`the address of ${command}`, () =>
      assert.equal(guess(command.split(' '), '/srv').addresses[0] ?? null, address));
  }

  it('that gunicorn reports readiness, and needs longer to stop', () => {
    const { notifies, shutdownTimeout } = guess(['/usr/bin/gunicorn', 'app:app'], '/srv/shop');
    assert.deepEqual([notifies, shutdownTimeout], [true, '40s']);
  });

  it('that uvicorn receives its descriptor once', () => {
    assert.deepEqual(guess(['uvicorn', 'app:app'], '/').args, ['app:app', '--fd', '${fd.http}']);
    assert.deepEqual(guess(['uvicorn', 'app:app', '--fd=3'], '/').args, ['app:app', '--fd=3']);
  });
});

it('zero init escapes specifiers and variables of systemd', () => {
  const unit = unitText({
    name: 'web',
    zero: ['/opt/my node/node', '/opt/zero.js'],
    config: '/srv/100%/$HOME/"x".yaml',
    stopTimeout: null,
    startTimeout: 90_500,
    ownRuntimeDirectory: false,
    ownDataDirectory: true,
  });
  const config = String.raw`"/srv/100%%/$$HOME/\"x\".yaml"`;
  assert.ok(unit.includes(`\nExecStart="/opt/my node/node" /opt/zero.js --config ${config}\n`), unit);
  assert.match(unit, /\nTimeoutStartSec=91s\n/);
  assert.match(unit, /\nTimeoutStopSec=infinity\n/);
  assert.doesNotMatch(unit, /RuntimeDirectory/);
});

describe('a known program', () => {
  /** The guesses for a command in a directory with these files. */
  function guessed(t: TestContext, command: string, files: Readonly<Record<string, string>>) {
    const folder = mkdtempSync(join(tmpdir(), 'zero-init-'));
    t.after(() => rmSync(folder, { recursive: true }));
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), text);
    }
    return guess(command.split(' '), folder);
  }

  it('nginx: has the addresses of its listen directives, including those of included files', (t) => {
    const { addresses, args, changes } = guessed(t, 'nginx -c nginx.conf', {
      'nginx.conf':
        'pid /run/n.pid;\nhttp { server { listen 80 default_server; listen [::]:80; # listen 81;\n} include conf.d/*.conf; }',
      'conf.d/a.conf':
        'server{listen 127.0.0.1;listen [::]:8080 ipv6only=off;listen unix:/run/a.sock;listen *:80;}',
      'conf.d/b.conf': 'server { listen localhost:8443 ssl reuseport; }',
      'conf.d/c.conf.bak': 'server { listen 99; }',
    });
    assert.deepEqual(addresses, [
      'tcp4:0.0.0.0:80',
      'tcp6:[::]:80',
      '127.0.0.1:80',
      '[::]:8080',
      'unix:/run/a.sock',
      '127.0.0.1:8443',
    ]);
    assert.deepEqual(args, ['-c', 'nginx.conf', '-g', 'daemon off;']);
    assert.match(changes.join(), /nginx\.conf: remove reuseport from listen\.$/);
  });

  it('haproxy: lists each bind that must be changed', (t) => {
    const { addresses, args, changes } = guessed(t, 'haproxy -D -f haproxy.cfg', {
      'haproxy.cfg': 'frontend a\n  bind *:80\n  bind ::1:443 ssl crt x\n  # bind :81\n',
    });
    assert.deepEqual(addresses, ['tcp4:0.0.0.0:80', '[::1]:443']);
    assert.deepEqual(args, ['-Ws', '-f', 'haproxy.cfg']);
    assert.deepEqual(changes, [
      'haproxy.cfg: write "bind fd@3" instead of "bind *:80".',
      'haproxy.cfg: write "bind fd@4" instead of "bind ::1:443".',
    ]);
  });

  it('php-fpm: has the addresses of its pools, and the stop time that its children need', (t) => {
    const files = {
      'fpm.conf': '[global]\ninclude=pool.d/*.conf\n',
      'pool.d/a.conf': '[a]\n;listen = 9000\nlisten = 127.0.0.1:9001\n',
      'pool.d/b.conf': '[b]\nlisten = /run/b.sock\n',
    };
    const { addresses, args, changes, protocols } = guessed(t, 'php-fpm8.2 -y fpm.conf', files);
    assert.deepEqual(addresses, ['127.0.0.1:9001', 'unix:/run/b.sock']);
    assert.deepEqual([args, protocols], [['-F', '-y', 'fpm.conf'], ['fpm']]);
    assert.match(changes.join(), /fpm\.conf: set process_control_timeout = 25s under \[global\]\.$/);
    const timeout = '[global]\nprocess_control_timeout = 10s\ninclude=pool.d/*.conf\n';
    assert.deepEqual(guessed(t, 'php-fpm8.2 -y fpm.conf', { ...files, 'fpm.conf': timeout }).changes, []);
  });

  for (const [text, address] of [
    ['bind "tcp://localhost:3001"', '127.0.0.1:3001'],
    ["bind 'unix:///run/puma.sock?umask=0111'", 'unix:/run/puma.sock'],
    ['port ENV.fetch("PORT") { 3002 }', 'tcp4:0.0.0.0:3002'],
    ['port        ENV.fetch("PORT", 3003)', 'tcp4:0.0.0.0:3003'],
    ['# port 1\nthreads 1, 5', 'tcp4:0.0.0.0:9292'],
  ] as const) {
    it(`puma: has the addresses of its config: ${text}`, (t) => {
      assert.deepEqual(guessed(t, 'puma', { 'config/puma.rb': text }).addresses, [address]);
    });
  }

  for (const [dependency, text, address] of [
    ['express', 'app.listen(3001)', ':3001'],
    ['express', "app.listen(process.env.PORT || 3002, '127.0.0.1')", '127.0.0.1:3002'],
    ['koa', 'const port = Number(process.env.PORT ?? 3003);\napp.listen(port)', ':3003'],
    ['fastify', 'await app.listen({ port: 3004 })', 'localhost:3004'],
    ['fastify', "await app.listen({ host: '0.0.0.0', port: 3005 })", '0.0.0.0:3005'],
    ['@nestjs/core', 'await app.listen(process.env.PORT);', ':3000'],
    ['next', '', ':3000'],
  ] as const) {
    it(`node with ${dependency}: has the address of its script: ${text}`, (t) => {
      const files = {
        'package.json': JSON.stringify({ dependencies: { [dependency]: '1' } }),
        'app.js': text,
      };
      assert.deepEqual(guessed(t, 'node app.js', files).addresses, [address]);
    });
  }
});
