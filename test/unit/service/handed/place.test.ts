import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fit, parsePlace, placeOf } from '../../../../src/service/handed/place.ts';

function fits(wanted: { host?: string; port?: number; path?: string }, actual: string): number {
  const [one, other] = [placeOf(wanted), parsePlace(actual)];
  assert.ok(one && other);
  return fit(one, other);
}

describe('an address', () => {
  it('is read from every notation of the conventions', () => {
    assert.deepEqual(parsePlace('8080'), { family: 'ip', host: '', port: 8080 });
    assert.deepEqual(parsePlace('127.0.0.1:81'), { family: 'ip', host: '127.0.0.1', port: 81 });
    assert.deepEqual(parsePlace('[::1]:82'), { family: 'ip', host: '::1', port: 82 });
    assert.deepEqual(parsePlace('[0:0:0:0:0:FFFF:7f00:1]:82'), { family: 'ip', host: '127.0.0.1', port: 82 });
    assert.deepEqual(parsePlace('[fe80::1%eth0]:82'), { family: 'ip', host: 'fe80::1', port: 82 });
    assert.deepEqual(parsePlace('Example.ORG:82'), { family: 'ip', host: 'example.org', port: 82 });
    assert.deepEqual(parsePlace('/run/a=b.sock'), { family: 'unix', path: '/run/a=b.sock' });
    assert.deepEqual(parsePlace('/run/../run/a.sock'), { family: 'unix', path: '/run/a.sock' });
    assert.deepEqual(parsePlace('@a'), { family: 'unix', path: '@a' });
  });

  it('is undefined for other text', () => {
    for (const text of ['', 'x', '1:2:3', ':', '[::1]', '123456']) assert.equal(parsePlace(text), null, text);
    assert.equal(placeOf({ port: 0 }), null);
    assert.equal(placeOf({ host: 'localhost' }), null);
  });

  it('matches a socket of that port if every address is requested', () => {
    for (const host of [undefined, '', '::', '0.0.0.0']) {
      const wanted = { port: 80, ...(host !== undefined && { host }) };
      assert.ok(fits(wanted, '0.0.0.0:80') > fits(wanted, '127.0.0.1:80'));
      assert.ok(fits(wanted, '[::]:80') > fits(wanted, '10.0.0.1:80'));
      assert.ok(fits(wanted, '10.0.0.1:80') > 0);
      assert.equal(fits(wanted, '0.0.0.0:81'), 0);
    }
  });

  it('matches exactly, or a socket of every address, if one address is requested', () => {
    const wanted = { host: '10.0.0.1', port: 80 };
    assert.ok(fits(wanted, '10.0.0.1:80') > fits(wanted, '0.0.0.0:80'));
    assert.ok(fits(wanted, '[::]:80') > 0);
    assert.equal(fits(wanted, '10.0.0.2:80'), 0);
    assert.equal(fits(wanted, '[::1]:80'), 0);
    assert.equal(fits({ host: '::1', port: 80 }, '0.0.0.0:80'), 0);
    assert.ok(fits({ host: '::1', port: 80 }, '[::]:80') > 0);
    assert.ok(fits({ host: '0:0:0:0:0:0:0:1', port: 80 }, '[::1]:80') > 0);
  });

  it('may be localhost', () => {
    const wanted = { host: 'LocalHost', port: 80 };
    for (const actual of ['localhost:80', '127.0.0.1:80', '[::1]:80', '0.0.0.0:80', '[::]:80'])
      assert.ok(fits(wanted, actual) > 0, actual);
    assert.equal(fits(wanted, '10.0.0.1:80'), 0);
    assert.equal(fits(wanted, '127.0.0.1:81'), 0);
  });

  it('may be a host name that only a resolver knows', () => {
    assert.ok(fits({ host: 'api.internal', port: 80 }, '10.0.0.1:80') > 0);
    assert.equal(fits({ host: 'api.internal', port: 80 }, '10.0.0.1:81'), 0);
  });

  it('is a path in every notation', () => {
    assert.ok(fits({ path: '/run/./a.sock' }, '/run/a.sock') > 0);
    assert.ok(fits({ path: '\0a' }, '@a') > 0);
    assert.equal(fits({ path: '/run/b.sock' }, '/run/a.sock'), 0);
    assert.equal(fits({ path: '/run/b.sock' }, '80'), 0);
    assert.equal(fits({ port: 80 }, '/run/a.sock'), 0);
  });
});
