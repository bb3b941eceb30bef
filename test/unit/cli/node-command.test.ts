import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { refusalOf, whatStarts } from '../../../src/cli/node-command.ts';
import { temporaryFolder } from '../../support/temporary.ts';

describe('a command', () => {
  it('is node if its name is node', () => {
    for (const name of ['node', '/usr/bin/node', './node', 'nodejs', 'node20', 'node-22', 'node22.1'])
      assert.deepEqual(whatStarts([name, 'app.js']), { kind: 'node' }, name);
    for (const name of ['', 'deno', 'bun', 'ts-node', 'sh', './app.js'])
      assert.deepEqual(whatStarts([name, 'app.js']), { kind: 'other' }, name);
    assert.deepEqual(whatStarts([]), { kind: 'other' });
  });

  it('is node if its name resolves to node', (t) => {
    const folder = temporaryFolder(t);
    const link = join(folder, 'my-service');
    symlinkSync(process.execPath, link);
    assert.deepEqual(whatStarts([link]), { kind: 'node' });
  });

  it('is the program that env(1) executes', () => {
    for (const before of [
      ['env'],
      ['/usr/bin/env', 'A=1', 'B='],
      ['env', '-u', 'A', '--', 'B=1'],
      ['env', '-uA', '--unset=B', '-C', '/tmp', '--chdir=/tmp', 'A=--x'],
      ['env', '-S'],
      ['env', '-SA=1'],
      ['env', '--split-string=A="1 2" B=3'],
    ])
      assert.deepEqual(whatStarts([...before, 'node', 'app.js']), { kind: 'node' }, before.join(' '));
    // The environment does not reach it, or its program is unknown.
    for (const before of [
      ['env', '-i'],
      ['env', '-'],
      ['env', '-S', '${NODE} app.js'],
      ['env', '--ignore-environment'],
    ])
      assert.deepEqual(whatStarts([...before, 'node', 'app.js']), { kind: 'other' }, before.join(' '));
    assert.deepEqual(whatStarts(['env']), { kind: 'other' });
  });

  it('is a package manager, and package.json has the command that it starts', (t) => {
    const folder = temporaryFolder(t);
    const scripts = { start: 'node server.js --fast', dev: 'node dev.js' };
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ scripts }));
    const instead = (...command: string[]) => {
      const found = whatStarts(command, folder);
      assert.ok(found.kind === 'package_manager');
      assert.equal(
        found.name,
        command.find((word) => /npm|npx|yarn|pnpm|bunx/.test(word))?.replace(/.*\//, ''),
      );
      return found.instead;
    };
    assert.equal(instead('npm', 'start'), 'node server.js --fast');
    assert.equal(instead('/usr/bin/npm', '--silent', 'run', 'dev'), 'node dev.js');
    assert.equal(instead('yarn', 'dev'), 'node dev.js');
    assert.equal(instead('env', 'A=1', 'pnpm', 'run-script', 'dev'), 'node dev.js');
    assert.equal(instead('npm', 'run', 'other'), null);
    assert.equal(instead('npm'), null);
    assert.equal(instead('npx', 'serve'), null);
    assert.equal(instead('bunx', 'serve'), null);
    writeFileSync(join(folder, 'package.json'), '{');
    assert.equal(instead('npm', 'start'), null);
  });

  it('is the interpreter in its first line', (t) => {
    const folder = temporaryFolder(t);
    const kind = (name: string, text: string, ...args: string[]) => {
      writeFileSync(join(folder, name), text);
      chmodSync(join(folder, name), 0o755);
      return whatStarts([`./${name}`, ...args], folder).kind;
    };
    for (const line of [
      '#!/usr/bin/env node',
      '#! /usr/bin/env  node ',
      '#!/usr/bin/node',
      '#!/opt/node-22/bin/node --no-warnings',
      '#!/usr/bin/env -S node --no-warnings',
      '#!/usr/bin/env -S A=1 node',
      '#!/usr/bin/env nodejs\r',
    ])
      assert.equal(kind('app', `${line}\nlisten();\n`), 'node', line);
    for (const line of ['#!/usr/bin/env node --flag', '#!/usr/bin/python3', '#!', '', 'node', '\x7fELF'])
      assert.equal(kind('app', `${line}\nlisten();\n`), 'other', line);
    // A script whose interpreter is a script.
    kind('wrapped', '#!/usr/bin/env node\n');
    assert.equal(kind('app', `#!${join(folder, 'wrapped')}\n`), 'node');
    assert.equal(kind('loop', `#!${join(folder, 'loop')}\n`), 'other');
    mkdirSync(join(folder, 'node_modules', '.bin'), { recursive: true });
    kind('cli.js', '#!/usr/bin/env node\n');
    symlinkSync('../../cli.js', join(folder, 'node_modules', '.bin', 'serve'));
    assert.equal(whatStarts(['node_modules/.bin/serve', 'start'], folder).kind, 'node');
    assert.equal(whatStarts(['node_modules/.bin/none'], folder).kind, 'other');
  });

  it('may be node behind a shell or a program that executes it', (t) => {
    const folder = temporaryFolder(t);
    const script = (text: string) => {
      writeFileSync(join(folder, 'run.sh'), text);
      chmodSync(join(folder, 'run.sh'), 0o755);
    };
    const kind = (...command: string[]) => whatStarts(command, folder).kind;
    for (const text of [
      'exec node app.js',
      'A=1 B="2 3" exec node app.js',
      'cd x && exec node app.js',
      'node app.js | cat',
      'node "$APP"',
    ])
      assert.equal(kind('sh', '-c', text), 'may_execute_node', text);
    assert.equal(kind('bash', '-ec', 'node app.js'), 'may_execute_node');
    for (const text of ['python3 app.py', 'echo nodejs', 'mynode app.js', ''])
      assert.equal(kind('sh', '-c', text), 'other', text);
    script('#!/bin/sh\n# node is started here\nexec node "$@"\n');
    assert.equal(kind('./run.sh', 'app.js'), 'may_execute_node');
    assert.equal(kind('sh', 'run.sh', 'app.js'), 'may_execute_node');
    script('#!/bin/sh\n# no node\nexec "$@"\n');
    assert.equal(kind('./run.sh', 'app.py'), 'other');
    assert.equal(kind('./run.sh', 'node', 'app.js'), 'may_execute_node');
    for (const prefix of ['nice -n 5', 'setpriv --no-new-privs', 'gosu node', 'taskset -c 0'])
      assert.equal(kind(...prefix.split(' '), 'node', 'app.js'), 'node', prefix);
    assert.equal(kind('nice', 'python3', 'app.py'), 'other');
  });

  it('that starts node as a child process is refused, with an alternative', (t) => {
    const folder = temporaryFolder(t);
    const bin = join(folder, 'node_modules', '.bin');
    mkdirSync(join(folder, 'node_modules', 'tsx', 'dist'), { recursive: true });
    mkdirSync(bin);
    writeFileSync(join(folder, 'node_modules', 'tsx', 'dist', 'cli.mjs'), '#!/usr/bin/env node\n');
    symlinkSync('../tsx/dist/cli.mjs', join(bin, 'tsx'));
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ scripts: { start: 'node server.js' } }));
    const refused = (...command: string[]) => {
      const started = whatStarts(command, folder);
      assert.equal(started.kind, 'wrapper', command.join(' '));
      return refusalOf('run', started, ['8080', ':81']) ?? '';
    };
    for (const [line, instead] of [
      ['tsx app.ts -v', 'node --import tsx app.ts -v'],
      ['tsx watch app.ts', 'node --import tsx app.ts'],
      ['node_modules/.bin/tsx app.ts', 'node --import tsx app.ts'],
      ['node node_modules/.bin/tsx app.ts', 'node --import tsx app.ts'],
      ['/usr/bin/node node_modules/tsx/dist/cli.mjs app.ts', 'node --import tsx app.ts'],
      ['env A=1 nodemon app.js', 'node app.js'],
      ['nodemon -w src --ext ts,js app.ts 1', 'ts-node app.ts 1'],
      ['nodemon', 'node app.js'],
      ['ts-node-dev --respawn app.ts', 'ts-node app.ts'],
      ['node --watch app.js', 'node app.js'],
      ['node --watch-path=src --watch-preserve-output app.js', 'node app.js'],
      ['node --run start', 'node server.js'],
      ['cross-env A=1 node app.js', 'env A=1 node app.js'],
      ['pm2-runtime start app.js', 'node app.js'],
      ['forever app.js', 'node app.js'],
      ['timeout 60 node app.js', 'node app.js'],
      ['dumb-init -- /usr/bin/node app.js', '/usr/bin/node app.js'],
    ] as const) {
      const message = refused(...line.split(' '));
      const name = /^zero run: ([^ ]+)(?: --(?:watch|run))? starts node as a child process/.exec(
        message,
      )?.[1];
      assert.ok(name !== undefined && line.includes(name), message);
      const advice = `Start node itself: zero run --listen 8080 --listen :81 -- ${instead}`;
      assert.ok(message.endsWith(advice) || message.includes(`${advice}. zero `), message);
    }
    // dash forks for its last command instead of executing it.
    for (const [text, instead] of [
      ['node app.js', 'node app.js'],
      ['A=1 node app.js', "dash -c 'A=1 exec node app.js'"],
      ['cd x && node app.js -v', "dash -c 'cd x && exec node app.js -v'"],
    ] as const)
      assert.ok(refused('dash', '-c', text).endsWith(`-- ${instead}`), text);
    // A word that a shell would split is quoted.
    assert.match(refused('tsx', 'a b.ts'), /node --import tsx 'a b\.ts'$/);
    for (const command of ['node app.js', 'node --import tsx app.ts', 'node -r tsx/cjs app.ts'])
      assert.equal(refusalOf('run', whatStarts(command.split(' '), folder), []), null, command);
  });
});
