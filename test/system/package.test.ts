import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { describe, it } from 'node:test';
import { ROOT } from '../support/paths.ts';
import { temporaryFolder } from '../support/temporary.ts';

/** Links to other documents of the package. */
const LINK = /\]\((?!https?:|#)([^)#]+)/g;

interface Manifest {
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly bin: Readonly<Record<string, string>>;
}

/** The files of the package, as `npm pack` lists them. */
function packed(): Set<string> {
  const text = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [{ files }] = JSON.parse(text) as [{ files: readonly { path: string }[] }];
  return new Set(files.map(({ path }) => path));
}

async function manifest(): Promise<Manifest> {
  const { default: found } = await import(join(ROOT, 'package.json'), { with: { type: 'json' } });
  return found;
}

/** A package in package-lock.json. */
interface Locked {
  readonly dev?: boolean;
  readonly hasInstallScript?: boolean;
}

/** Runs npm like a user without settings. */
function npm(
  cwd: string,
  args: readonly string[],
): { status: number | null; stdout: string; stderr: string } {
  const own = Object.entries(process.env).filter(([name]) => !/^npm_(?!config_cache$)/i.test(name));
  const env = {
    ...Object.fromEntries(own),
    npm_config_userconfig: '/dev/null',
    npm_config_update_notifier: 'false',
  };
  return spawnSync('npm', args, { cwd, env, encoding: 'utf8' });
}

/** A directory with the installed package. */
function project(t: { after(cleanup: () => void): void }): string {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, 'node_modules', '@types'), { recursive: true });
  symlinkSync(ROOT, join(folder, 'node_modules', 'zerodown'));
  symlinkSync(join(ROOT, 'node_modules', '@types', 'node'), join(folder, 'node_modules', '@types', 'node'));
  return folder;
}

describe('the package', () => {
  it('contains all exports and their dependencies', async () => {
    const files = packed();
    const { exports, bin } = await manifest();
    const named = Object.values(exports).flatMap((target) =>
      typeof target === 'string' ? [target] : Object.values(target),
    );
    assert.ok(named.length > 2);
    for (const path of [...named, ...Object.values(bin)])
      assert.ok(files.has(path.replace('./', '')), `${path} is not in the package`);
    for (const path of [
      'dist/zero.cjs',
      'dist/run.cjs',
      'dist/run-kept.cjs',
      'dist/node-launcher.cjs',
      'dist/licenses.txt',
      'README.md',
      'LICENSE',
      'CHANGELOG.md',
    ])
      assert.ok(files.has(path), `${path} is not in the package`);
  });

  it('contains the licences of bundled code', () => {
    const text = readFileSync(join(ROOT, 'dist', 'licenses.txt'), 'utf8');
    for (const name of ['commander', 'yaml', 'zod', 'koffi', '@sentry/core', 'prom-client'])
      assert.match(
        text,
        new RegExp(`^${name} [\\d.]+ \\((?:MIT|ISC|Apache-2.0)\\)\\n\\n.*license`, 'ims'),
        name,
      );
  });

  it('contains nothing for development only, and every linked document', () => {
    const files = [...packed()];
    assert.deepEqual(
      files.filter((name) => /^(src|test|scripts|bench|build)\/|^\.|\.cjs\.map$/.test(name)),
      [],
    );
    const documents = files.filter((name) => name.endsWith('.md'));
    assert.ok(documents.length > 5);
    for (const name of documents) {
      for (const [, link = ''] of readFileSync(join(ROOT, name), 'utf8').matchAll(LINK)) {
        const target = normalize(join(name, '..', link)).replace(/\/$/, '');
        const found = files.includes(target) || files.some((file) => file.startsWith(`${target}/`));
        assert.ok(found, `${name} links to ${link}`);
      }
    }
  });

  it('runs the command from its directory', (t) => {
    const folder = temporaryFolder(t);
    // It was already built for these tests.
    const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
    const text = execFileSync('npm', pack, {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [{ filename }] = JSON.parse(text) as [{ filename: string }];
    execFileSync('tar', ['-xzf', join(folder, filename), '-C', folder]);
    const root = join(folder, 'package');
    symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'));
    const zero = (...args: string[]) =>
      execFileSync(process.execPath, [join(root, 'bin', 'zero.js'), ...args], {
        cwd: root,
        encoding: 'utf8',
      });
    assert.equal(zero('check', '--config', 'config.example.yaml'), 'config.example.yaml: ok\n');
    assert.match(zero('run', '--help'), /^Usage: zero run /);
  });

  it('starts with the compiled code of its build, and without it if that is missing or damaged', (t) => {
    const folder = temporaryFolder(t);
    for (const name of ['bin', 'dist', 'package.json'])
      cpSync(join(ROOT, name), join(folder, name), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    const run = join(folder, 'dist', 'run.cjs');
    const kept = `${run}.${process.arch}-${process.versions.v8}`;
    // The build may be from another version of Node.
    execFileSync(process.execPath, [join(folder, 'dist', 'run-kept.cjs')]);
    const code = readFileSync(kept);
    // V8 prints the size of the compiled code that it accepts.
    const args = ['--profile-deserialization', join(folder, 'bin', 'zero.js'), 'run', '--listen', '1'];
    const takesCode = () => {
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
      assert.deepEqual([status, /no command given/i.test(stderr)], [2, true], stderr);
      return stdout.includes(`[Deserializing from ${code.length - 4} bytes`);
    };
    assert.equal(takesCode(), true);
    const middle = code.length >> 1;
    for (const bytes of [
      Buffer.alloc(0),
      code.subarray(0, middle),
      Buffer.concat([code.subarray(0, middle), Buffer.alloc(8), code.subarray(middle + 8)]),
    ]) {
      writeFileSync(kept, bytes);
      assert.equal(takesCode(), false, `${bytes.length} bytes`);
    }
    writeFileSync(kept, code);
    assert.equal(takesCode(), true);
    const source = readFileSync(run);
    assert.ok(
      source.every((byte) => byte < 128),
      'run-kept.cjs reads it as Latin-1',
    );
    // Another release can have the same length.
    writeFileSync(run, source.toString().replace('no command given', 'NO command given'));
    assert.equal(takesCode(), false);
    rmSync(kept);
    assert.equal(takesCode(), false);
  });

  it('is installed without a warning, and its command is also called zerodown', (t) => {
    const folder = temporaryFolder(t);
    const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
    const [{ filename }] = JSON.parse(npm(ROOT, pack).stdout) as [{ filename: string }];
    const user = join(folder, 'user');
    mkdirSync(user);
    writeFileSync(join(user, 'package.json'), '{ "private": true }');
    // Without network: a package that is not in the cache is optional, and copied in by the test.
    const { status, stderr } = npm(user, ['install', '--offline', '--no-audit', join(folder, filename)]);
    assert.deepEqual([status, stderr], [0, '']);
    rmSync(join(user, 'node_modules', '@koromix'), { recursive: true, force: true });
    symlinkSync(join(ROOT, 'node_modules', '@koromix'), join(user, 'node_modules', '@koromix'));
    assert.equal(existsSync(join(user, 'node_modules', 'koffi')), false);
    for (const name of ['zerodown', 'zero'])
      assert.match(npm(user, ['exec', '--offline', '--', name, 'run', '--help']).stdout, /^Usage: zero run /);
  });

  it('lists every dependency with an install script in allowScripts, for npm 11', async () => {
    const read = async (name: string) =>
      (await import(join(ROOT, name), { with: { type: 'json' } })).default as unknown;
    const { packages } = (await read('package-lock.json')) as { packages: Readonly<Record<string, Locked>> };
    const { allowScripts } = (await read('package.json')) as { allowScripts: object };
    const scripted = Object.entries(packages).filter(([, { hasInstallScript }]) => hasInstallScript === true);
    assert.deepEqual(
      scripted.map(([path]) => path.replace(/^.*node_modules\//, '')).sort(),
      Object.keys(allowScripts).sort(),
    );
    assert.deepEqual(
      scripted.filter(([, { dev }]) => dev !== true),
      [],
      'who installs zerodown would be warned',
    );
  });

  it('is imported by its name, from ES modules and from CommonJS', (t) => {
    const folder = project(t);
    const print = 'console.log(Object.keys(library).sort().join())';
    writeFileSync(join(folder, 'a.mjs'), `import * as library from 'zerodown';${print}`);
    writeFileSync(join(folder, 'b.cjs'), `const library = require('zerodown');${print}`);
    for (const file of ['a.mjs', 'b.cjs']) {
      const names = execFileSync(process.execPath, [join(folder, file)], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      assert.match(names, /UpgradeError,createUpgrader/, file);
    }
  });

  it('has types for a strict project', (t) => {
    const folder = project(t);
    writeFileSync(
      join(folder, 'a.mts'),
      [
        "import { createServer } from 'node:http';",
        "import { createUpgrader, UpgradeError, type UpgradeErrorCode } from 'zerodown';",
        "const upgrader = await createUpgrader({ pidFile: '/run/a.pid', upgradeTimeoutMs: 1_000 });",
        "await upgrader.listen(createServer(), { host: '127.0.0.1', port: 8080 });",
        "export const code: UpgradeErrorCode = new UpgradeError('STOPPED', 'why').code;",
        '// @ts-expect-error a port is a number',
        "await upgrader.listen(createServer(), { port: 'http' });",
      ].join('\n'),
    );
    const options =
      '--noEmit --strict --module nodenext --target es2023 --types node --exactOptionalPropertyTypes';
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    execFileSync(process.execPath, [tsc, ...options.split(' '), 'a.mts'], { cwd: folder, stdio: 'inherit' });
  });
});
