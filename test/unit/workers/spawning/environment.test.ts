import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  buildEnvironment,
  environmentNames,
  toEntries,
  withConventions,
} from '../../../../src/workers/spawning/environment.ts';
import { environmentOf } from '../support.ts';

const base = [
  'PATH=/bin',
  'HOME=/root',
  'EMPTY=',
  'dotted.name=1',
  'BYTES=\xff\xfe',
  'LINES_=a\nb',
  'TWICE=first',
  'TWICE=second',
  '=nameless',
  'no equals',
  'LISTEN_PID=1',
  'LISTEN_FDS=2',
  'LISTEN_FDNAMES=x',
  'NOTIFY_SOCKET=/run/x',
  'ZERO_CONFIG=/etc/zero.yaml',
  'SERVER_STARTER_PORT=1=3',
  'EINHORN_MASTER_PID=7',
  'NGINX=3;',
  'FPM_SOCKETS=x',
  'WATCHDOG_USEC=1',
].map((entry) => Buffer.from(entry, 'latin1'));

const text = (environment: ReadonlyMap<string, Buffer>) =>
  toEntries(environment).map((entry) => entry.toString('latin1'));

test("the inherited environment is byte for byte, without the variables of zero's own sockets", () => {
  const environment = buildEnvironment({
    runtime: { environment: [], inherit_environment: true },
    base,
    file: null,
    user: null,
  });
  assert.deepEqual(text(environment), [
    'PATH=/bin',
    'HOME=/root',
    'EMPTY=',
    'dotted.name=1',
    'BYTES=\xff\xfe',
    'LINES_=a\nb',
    'TWICE=first',
  ]);
});

test('a list is the whole environment; an empty value copies, except names of the conventions', () => {
  const list = [
    { key: 'FOO', value: 'b\u00e4r' },
    { key: 'BYTES', value: '' },
    { key: 'NOWHERE', value: '' },
    { key: 'LISTEN_FDS', value: '' },
    { key: 'NOTIFY_SOCKET', value: '/own' },
  ];
  const environment = buildEnvironment({
    runtime: { environment: list, inherit_environment: false },
    base,
    file: null,
    user: { name: 'www', home: '/var/www', shell: '/bin/false' },
  });
  assert.deepEqual(text(environment), ['FOO=b\xc3\xa4r', 'BYTES=\xff\xfe', 'NOWHERE=', 'NOTIFY_SOCKET=/own']);
});

test('the list overrides the file, and the file overrides the inherited environment', () => {
  const environment = buildEnvironment({
    runtime: { environment: [{ key: 'A', value: 'list' }], inherit_environment: true },
    base: [Buffer.from('A=base'), Buffer.from('B=base'), Buffer.from('C=base')],
    file: environmentOf({ A: 'file', B: 'file' }),
    user: null,
  });
  assert.deepEqual(text(environment).sort(), ['A=list', 'B=file', 'C=base']);
});

test('the user of an inherited environment is the target user', () => {
  const environment = buildEnvironment({
    runtime: { environment: [], inherit_environment: true },
    base,
    file: null,
    user: { name: 'www', home: '/var/www', shell: '/bin/false' },
  });
  const wanted = ['HOME=/var/www', 'USER=www', 'LOGNAME=www', 'SHELL=/bin/false'];
  assert.deepEqual(
    wanted.filter((entry) => !text(environment).includes(entry)),
    [],
  );
});

test('a convention does not replace a variable of the config', () => {
  const environment = withConventions(environmentOf({ NGINX: '9;' }), { NGINX: '3;', LISTEN_FDS: '1' });
  assert.deepEqual(text(environment), ['NGINX=9;', 'LISTEN_FDS=1']);
});

test('names are shown sorted, values are not shown', () => {
  assert.deepEqual(environmentNames(environmentOf({ B: 'secret', A: 'secret' })), ['A', 'B']);
});
