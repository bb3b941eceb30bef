import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { formatInet6, parseInet6 } from '../../../src/common/inet.ts';
import {
  decodeAddress,
  encodeAddress,
  formatAddress,
  type SocketAddress,
} from '../../../src/linux/sockaddr.ts';

const roundTrip = (address: SocketAddress) => {
  const bytes = encodeAddress(address);
  return decodeAddress(bytes, bytes.length);
};

test('addresses are encoded and decoded', () => {
  const addresses: SocketAddress[] = [
    { family: 'inet', host: '127.0.0.1', port: 80 },
    { family: 'inet6', host: '::1', port: 65535 },
    { family: 'inet6', host: 'fe80::1', port: 1, scopeId: 7 },
    { family: 'inet6', host: '::ffff:10.1.2.3', port: 0 },
    { family: 'unix', path: '/run/a.sock' },
    { family: 'unix', path: '@abstract' },
    { family: 'unix', path: '' },
  ];
  for (const address of addresses) assert.deepEqual(roundTrip(address), address);
});

test('an empty host means every address', () => {
  assert.deepEqual(roundTrip({ family: 'inet', host: '', port: 1 }), {
    family: 'inet',
    host: '0.0.0.0',
    port: 1,
  });
  assert.deepEqual(roundTrip({ family: 'inet6', host: '', port: 1 }), {
    family: 'inet6',
    host: '::',
    port: 1,
  });
});

test('a zone is an interface, by number or name', () => {
  const lo = networkInterfaces().lo?.[0];
  assert.ok(lo);
  const numbered = roundTrip({ family: 'inet6', host: 'fe80::1%3', port: 1 });
  assert.equal(numbered.family === 'inet6' && numbered.scopeId, 3);
  const named = roundTrip({ family: 'inet6', host: 'fe80::1%lo', port: 1 });
  assert.equal(named.family === 'inet6' && named.scopeId, 1);
  assert.throws(() => encodeAddress({ family: 'inet6', host: 'fe80::1%nosuch0', port: 1 }), {
    code: 'ENODEV',
  });
});

test('invalid addresses are refused', () => {
  assert.throws(() => encodeAddress({ family: 'inet', host: 'localhost', port: 1 }), RangeError);
  assert.throws(() => encodeAddress({ family: 'inet6', host: '127.0.0.1', port: 1 }), RangeError);
  assert.throws(() => encodeAddress({ family: 'inet', host: '127.0.0.1', port: 65536 }), RangeError);
  assert.throws(() => decodeAddress(Buffer.from([16, 0, 0, 0]), 4), RangeError);
});

test('the longest Unix path has 107 bytes', () => {
  const path = `/${'x'.repeat(106)}`;
  assert.deepEqual(roundTrip({ family: 'unix', path }), { family: 'unix', path });
  assert.throws(() => encodeAddress({ family: 'unix', path: `${path}x` }), { code: 'ENAMETOOLONG' });
});

test('IPv6 is written as in RFC 5952, and read in every form of RFC 4291', () => {
  const pairs = [
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['64:ff9b::1.2.3.4', '64:ff9b::102:304'],
    ['::ffff:1.2.3.4', '::ffff:1.2.3.4'],
  ] as const;
  for (const [text, canonical] of pairs) assert.equal(formatInet6(parseInet6(text)), canonical);
  assert.throws(() => parseInet6(':::'), RangeError);
});

test('addresses are formatted as text', () => {
  assert.equal(formatAddress({ family: 'inet', host: '', port: 8 }), '0.0.0.0:8');
  assert.equal(formatAddress({ family: 'inet6', host: '', port: 8 }), '[::]:8');
  assert.equal(formatAddress({ family: 'inet6', host: 'fe80::1', port: 8, scopeId: 2 }), '[fe80::1%2]:8');
  assert.equal(formatAddress({ family: 'unix', path: '@a' }), '@a');
  assert.equal(formatAddress({ family: 'unix', path: '' }), '(unnamed)');
});
