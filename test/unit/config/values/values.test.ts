import assert from 'node:assert/strict';
import test from 'node:test';
import {
  formatTargets,
  parseAdminAddress,
  parseSentryDsn,
  parseTargets,
} from '../../../../src/config/values/endpoints.ts';
import { formatStatusRanges, parseStatusRanges } from '../../../../src/config/values/http-request.ts';
import { formatLimit, parseLimit } from '../../../../src/config/values/limit.ts';
import {
  instanceNameFrom,
  parseInstanceName,
  parseListenerName,
} from '../../../../src/config/values/names.ts';
import { formatProxy, parseProxy } from '../../../../src/config/values/proxy.ts';
import { formatOctal, parseOctal } from '../../../../src/config/values/simple.ts';

test('limits are parsed', () => {
  assert.deepEqual(parseLimit('65536'), { value: { soft: 65536, hard: 65536 } });
  assert.deepEqual(parseLimit('1024:unlimited'), { value: { soft: 1024, hard: 'unlimited' } });
  assert.deepEqual(parseLimit('unlimited'), { value: { soft: 'unlimited', hard: 'unlimited' } });
  assert.deepEqual(parseLimit('2:1'), { problem: '"2:1": the soft limit is above the hard one' });
  assert.deepEqual(parseLimit('unlimited:1'), {
    problem: '"unlimited:1": the soft limit is above the hard one',
  });
  assert.deepEqual(parseLimit('99999999999999999999'), {
    problem: '"99999999999999999999" is too large: write unlimited',
  });
  for (const text of ['', '-1', '1:', ':1', '64k', '1:2:3']) assert.ok('problem' in parseLimit(text), text);
  assert.equal(formatLimit({ soft: 1, hard: 1 }), '1');
  assert.equal(formatLimit({ soft: 1, hard: 'unlimited' }), '1:unlimited');
});

test('statuses are parsed', () => {
  const parsed = parseStatusRanges('200-204, 304');
  assert.ok('value' in parsed);
  assert.deepEqual(parsed.value, [
    { from: 200, to: 204 },
    { from: 304, to: 304 },
  ]);
  assert.equal(formatStatusRanges(parsed.value), '200-204,304');
  assert.deepEqual(parseStatusRanges('299-200'), { problem: '"299-200": the range 299-200 is empty' });
  for (const text of ['', '2xx', '99', '600', '200-', '200,'])
    assert.ok('problem' in parseStatusRanges(text), text);
});

test('octal numbers are parsed', () => {
  for (const text of ['0660', '660', '0o660']) assert.deepEqual(parseOctal(text), { value: 0o660 });
  for (const text of ['', '0888', '-1', '00660', 'rw-rw----']) assert.ok('problem' in parseOctal(text), text);
  assert.equal(formatOctal(0o22), '0022');
});

test('metrics addresses are parsed', () => {
  const parsed = parseTargets('udp://localhost:8125, tcp://[::1]:1,unix:///run/s,file://metrics.log');
  assert.ok('value' in parsed);
  assert.deepEqual(parsed.value, [
    { network: 'udp', host: 'localhost', port: 8125 },
    { network: 'tcp', host: '::1', port: 1 },
    { network: 'unix', path: '/run/s' },
    { network: 'file', path: 'metrics.log' },
  ]);
  assert.equal(
    formatTargets(parsed.value),
    'udp://localhost:8125,tcp://[::1]:1,unix:///run/s,file://metrics.log',
  );
  assert.deepEqual(parseTargets('udp://localhost'), {
    problem: '"udp://localhost" needs a host and a port: write udp://localhost:8125',
  });
  for (const text of ['', 'localhost:8125', 'udp://a:1,', 'udp://:1', 'udp://a:0', 'unix://', 'http://a:1']) {
    assert.ok('problem' in parseTargets(text), text);
  }
});

test('proxies are parsed', () => {
  assert.deepEqual(parseProxy('http://proxy:3128'), {
    value: { protocol: 'http', host: 'proxy', port: 3128, user: null },
  });
  const parsed = parseProxy('socks5://me:p%40ss%3A@[::1]:1080');
  assert.ok('value' in parsed);
  assert.deepEqual(parsed.value, {
    protocol: 'socks5',
    host: '::1',
    port: 1080,
    user: { name: 'me', password: 'p@ss:' },
  });
  assert.equal(formatProxy(parsed.value), 'socks5://me:p%40ss%3A@[::1]:1080');
  const first = parseProxy('tcp://proxy:1080');
  assert.deepEqual(first, { value: { protocol: 'socks5', host: 'proxy', port: 1080, user: null } });
  for (const text of ['', 'proxy:3128', 'https://proxy:1', 'http://proxy', 'http://secret%@proxy:1']) {
    const result = parseProxy(text);
    assert.ok('problem' in result && !result.problem.includes('secret'), text);
  }
});

test('a problem never contains the DSN', () => {
  assert.deepEqual(parseSentryDsn('https://key@sentry.example/1'), { value: 'https://key@sentry.example/1' });
  for (const text of [
    '',
    'secret',
    'https://sentry.example/1',
    'https://secret@sentry.example/',
    'ftp://secret@x/1',
  ]) {
    const result = parseSentryDsn(text);
    assert.ok('problem' in result && !result.problem.includes('secret'), text);
  }
});

test('names are checked', () => {
  for (const name of ['http', 'a-b.c', 'x'.repeat(255)])
    assert.deepEqual(parseListenerName(name), { value: name });
  for (const name of ['', 'a:b', 'a b', 'a\n', '\u00e9', 'x'.repeat(256)])
    assert.ok('problem' in parseListenerName(name), name);
  for (const name of ['app', 'app@1', 'a.b-c_d+e:f', '9'])
    assert.deepEqual(parseInstanceName(name), { value: name });
  for (const name of ['', '.', '..', '-x', 'a/b', 'a b', 'x'.repeat(65)])
    assert.ok('problem' in parseInstanceName(name), name);
  for (const file of ['my app', '..', '.hidden', '-', 'x'.repeat(100), '\u00e9', 'server.js']) {
    assert.ok('value' in parseInstanceName(instanceNameFrom(file)), file);
  }
});

test('admin addresses are parsed', () => {
  const texts = [
    ['9640', 'tcp:localhost:9640'],
    ['localhost:0', 'tcp:localhost:0'],
    ['[::1]:80', 'tcp:[::1]:80'],
    [':9640', 'tcp::9640'],
    ['unix:/run/x.sock', 'unix:/run/x.sock'],
  ] as const;
  for (const [text, meant] of texts) {
    const parsed = parseAdminAddress(text);
    assert.ok('value' in parsed);
    assert.equal(parsed.value.text, meant);
  }
  assert.deepEqual(parseAdminAddress('udp::80'), {
    problem: '"udp::80" is not an HTTP address: write host:port or unix:/path',
  });
  for (const text of ['unixgram:/x', '70000', 'localhost', ''])
    assert.ok('problem' in parseAdminAddress(text), text);
});
