import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseInstanceName } from '../../../../src/config/values/names.ts';
import { defaultName, type Origin, readableName } from '../../../../src/supervisor/instance/default-name.ts';

const command = (text: string, directory = '') => {
  const [path = '', ...args] = text.split(' ');
  return { path, args, directory };
};
const RUN: Origin = { file: null, folder: '/srv/shop' };

describe('the default name is that of the script, the program or the directory', () => {
  const NAMES: readonly (readonly [string, string])[] = [
    ['/usr/bin/node worker.js', 'worker'],
    ['/usr/bin/node app.js', 'shop'],
    ['/usr/bin/node --max-old-space-size=512 dist/api.mjs --port 80', 'api'],
    ['/usr/bin/node bin/www', 'shop'],
    ['/usr/bin/node-22 /srv/billing/server.js', 'billing'],
    ['/usr/bin/node /srv/billing/dist/server.js', 'billing'],
    ['/usr/bin/node', 'shop'],
    ['/usr/bin/node -e 0', 'shop'],
    ['/usr/bin/python3.11 -m uploads', 'uploads'],
    ['/usr/bin/python3 manage.py runserver', 'shop'],
    ['/usr/bin/gunicorn billing:app', 'billing'],
    ['/usr/bin/java -jar orders.jar', 'orders'],
    ['/usr/bin/env node worker.js', 'worker'],
    ['/usr/bin/env node', 'shop'],
    ['/usr/bin/timeout 5 node', 'shop'],
    ['/bin/sh -c exec', 'shop'],
    ['/usr/local/bin/example --fd 3', 'example'],
    ['./server', 'shop'],
    ['/srv/shop/current/bin/server', 'shop'],
  ];
  for (const [text, name] of NAMES) {
    it(text, () => {
      assert.equal(readableName(command(text), RUN), name);
      const whole = defaultName(command(text), RUN);
      assert.match(whole, new RegExp(`^${name}-[0-9a-f]{8}$`));
      assert.ok('value' in parseInstanceName(whole));
    });
  }

  it('in a config file: its directory, if runtime.directory is omitted', () => {
    const file = '/etc/web/zero.yaml';
    assert.equal(readableName(command('/usr/bin/node app.js'), { file, folder: '/' }), 'web');
    assert.equal(readableName(command('/usr/bin/node app.js', '/srv/shop'), { file, folder: '/' }), 'shop');
    const inRoot = { file: '/zero.yaml', folder: '/' };
    assert.match(defaultName(command('/usr/bin/node app.js'), inRoot), /^app-/);
    assert.match(defaultName(command('/usr/bin/node'), inRoot), /^service-/);
  });

  it('a long name leaves space for the digits', () => {
    const name = defaultName(command(`/usr/bin/node ${'x'.repeat(200)}.js`), RUN);
    assert.ok('value' in parseInstanceName(name), name);
    assert.match(name, /^x{55}-[0-9a-f]{8}$/);
  });
});

describe('a service has a unique default name', () => {
  const of = (text: string, origin: Partial<Origin> = {}) =>
    defaultName(command(text), { ...RUN, ...origin });

  it('with the same command in another directory, or another script', () => {
    const names = [
      of('/usr/bin/node app.js'),
      of('/usr/bin/node app.js', { folder: '/srv/other' }),
      of('/usr/bin/node app.js', { folder: '/var/shop' }),
      of('/usr/bin/node other.js'),
      of('/usr/bin/node lib/app.js'),
      of('/usr/bin/node /srv/shop2/app.js'),
      of('/usr/bin/node -e 1'),
      of('/usr/bin/node -e 2'),
    ];
    assert.equal(new Set(names).size, names.length, names.join(' '));
  });

  it('with another config file of the same program', () => {
    const names = ['/a/n1.yaml', '/a/n2.yaml', '/b/n1.yaml'].map((file) => of('/usr/bin/node', { file }));
    assert.equal(new Set(names).size, names.length, names.join(' '));
  });

  it('that does not change with options, or with the directory from which its file is used', () => {
    assert.equal(of('/usr/bin/node app.js'), of('/usr/bin/node --inspect app.js --port 8080'));
    assert.equal(of('/usr/bin/node app.js'), of('/opt/node/bin/node app.js'));
    const file = '/etc/web/zero.yaml';
    assert.equal(of('/usr/bin/node app.js', { file }), of('/usr/bin/node app.js', { file, folder: '/' }));
  });
});
