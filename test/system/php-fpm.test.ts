import assert from 'node:assert/strict';
import { chmodSync, lstatSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { findProgram, requireProgram } from '../support/debian.ts';
import { askFastCgi, startFastCgiLoad } from '../support/fastcgi-load.ts';
import { freeAddress } from '../support/free-address.ts';
import { IS_ROOT, requireRoot, sharedFolder } from '../support/privileges.ts';
import { readRecipe } from '../support/recipe.ts';
import { DEADLINE, startZero, type Zero } from '../support/zero.ts';
import type { RawConfig } from '../support/zero-config.ts';

const RELOADS = 10;
const CLIENTS = 4;

interface Php {
  readonly config: RawConfig;
  readonly folder: string;
  /** In the form for a client. */
  readonly address: string;
  readonly path: string;
  readonly script: string;
}

/** The recipe of the guide. Debian names the program after its version. */
function setUp(t: TestContext): Php | null {
  const versions = ['8.2', '8.4', '8.3', '8.1'].map((version) => `php-fpm${version}`);
  const name = versions.find((one) => findProgram(one) !== null) ?? 'php-fpm8.2';
  const program = requireProgram(t, name, 'php-fpm');
  if (program === null) return null;
  const folder = sharedFolder(t);
  mkdirSync(join(folder, 'sockets'), { mode: 0o755 });
  const path = join(folder, 'sockets', 'example.sock');
  const recipe = readRecipe('php-fpm', {
    '/run/example.sock': path,
    '/srv/example': folder,
    '/usr/sbin/php-fpm8.2': program,
  });
  const script = join(folder, 'index.php');
  writeFileSync(script, `<?php echo getenv('ZERO_GENERATION');`, { mode: 0o644 });
  writeFileSync(join(folder, 'php-fpm.conf'), recipe.block('ini'), { mode: 0o644 });
  const { service } = recipe.config;
  const config = {
    service: { ...service, options: { ...(service.options as object), reload_uptime: '300ms' } },
  };
  return { config, folder, path, script, address: `unix:${path}` };
}

async function reloadUnderLoad(t: TestContext, { config, folder, address, script }: Php): Promise<Zero> {
  const zero = startZero(t, { folder, config });
  await zero.fact('generation_promoted', { generation: 1 });
  const load = startFastCgiLoad(t, address, script, CLIENTS);
  for (let generation = 1; generation <= RELOADS; generation += 1) {
    await load.whenAnswered(50);
    zero.signal('SIGHUP');
    await zero.fact('generation_gone', { generation });
  }
  await load.whenAnswered(50);
  const { sent, answered, failures, byBody } = await load.stop();
  assert.deepEqual(failures, {});
  assert.equal(sent, answered);
  assert.equal(Object.keys(byBody).length, RELOADS + 1, JSON.stringify(byBody));
  assert.deepEqual(zero.log.all('worker_exited', { expected: false }), []);
  return zero;
}

describe('php-fpm', () => {
  it(`is replaced ${RELOADS} times over a Unix socket without losing a request`, DEADLINE, async (t) => {
    if (!requireRoot(t, 'the service may not write to the directory of its socket')) return;
    const php = setUp(t);
    if (php === null) return;
    const zero = await reloadUnderLoad(t, php);
    assert.deepEqual(zero.log.all('warning'), []);
    zero.signal('SIGTERM');
    assert.deepEqual(await zero.exited, { code: 0, signal: null });
    assert.deepEqual(readdirSync(dirname(php.path)), []);
  });

  it(`is replaced ${RELOADS} times over TCP without losing a request`, DEADLINE, async (t) => {
    const php = setUp(t);
    if (php === null) return;
    const { config, folder } = php;
    const { user: _, ...runtime } = config.service.runtime;
    const address = await freeAddress();
    const file = join(folder, 'php-fpm.conf');
    const { block } = readRecipe('php-fpm', { '/run/example.sock': address });
    // A master that runs as root gives its children a user.
    const user = IS_ROOT ? 'user = www-data\n' : '';
    writeFileSync(file, `${block('ini')}${user}`);
    const service = {
      ...config.service,
      listeners: [{ name: 'fpm', address }],
      handover: { mode: 'auto', settle: '200ms' },
      runtime,
    };
    await reloadUnderLoad(t, { ...php, address, config: { service } });
  });

  it(
    'removes the path of its socket when it exits, and zero restores and reports it',
    DEADLINE,
    async (t) => {
      const php = setUp(t);
      if (php === null) return;
      const { config, folder, path, script, address } = php;
      chmodSync(dirname(path), 0o777);
      // Only root can give the file to another group, and the service to another user.
      const { user: _, ...runtime } = config.service.runtime;
      const own = { service: { ...config.service, listeners: [{ name: 'fpm', address }], runtime } };
      const zero = startZero(t, { folder, config: IS_ROOT ? config : own });
      await zero.fact('generation_promoted', { generation: 1 });
      const { ino } = lstatSync(path);
      zero.signal('SIGHUP');
      const { message } = await zero.fact('warning', { about: 'lane' });
      assert.equal(message, 'listener fpm: its path was removed or replaced; zero has restored it');
      await zero.fact('generation_gone', { generation: 1 });
      assert.equal(lstatSync(path).ino, ino);
      assert.equal(await askFastCgi(address, script), '2');
      zero.signal('SIGTERM');
      assert.deepEqual(await zero.exited, { code: 0, signal: null });
      assert.deepEqual(readdirSync(dirname(path)), []);
    },
  );
});
