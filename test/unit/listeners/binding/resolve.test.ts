import assert from 'node:assert/strict';
import { lookup } from 'node:dns/promises';
import { hostname } from 'node:os';
import { test } from 'node:test';
import type { ListenerConfig } from '../../../../src/config/schema.ts';
import { errnoNumber } from '../../../../src/linux/errors.ts';
import { rawCall, useLibc } from '../../../../src/linux/libc.ts';
import { type InetTarget, type Lookup, resolveTarget } from '../../../../src/listeners/binding/resolve.ts';
import { listener } from '../fixture.ts';

const both: Lookup = async () => [
  { address: '2001:db8::1', family: 6 },
  { address: '192.0.2.1', family: 4 },
];

const cases: [address: string, options: ListenerConfig['options'], host: string, ipv6Only: boolean][] = [
  ['127.0.0.1:80', {}, '127.0.0.1', false],
  ['[::1]:80', {}, '::1', false],
  [':80', {}, '::', false],
  ['0.0.0.0:80', {}, '::', false],
  ['[::]:80', {}, '::', false],
  ['[::]:80', { ipv6_only: true }, '::', true],
  [':80', { ipv6_only: true }, '::', true],
  ['tcp4::80', {}, '0.0.0.0', false],
  ['tcp4:0.0.0.0:80', {}, '0.0.0.0', false],
  ['tcp6::80', {}, '::', true],
  ['tcp6::80', { ipv6_only: false }, '::', false],
  ['udp::80', {}, '::', false],
  ['udp4::80', {}, '0.0.0.0', false],
  ['udp6::80', {}, '::', true],
  ['[::ffff:192.0.2.9]:80', {}, '192.0.2.9', false],
  ['[fe80::1%lo]:80', {}, 'fe80::1%lo', false],
  ['example.test:80', {}, '192.0.2.1', false],
  ['tcp6:example.test:80', {}, '2001:db8::1', true],
];

for (const [address, options, host, ipv6Only] of cases) {
  test(`${address} ${JSON.stringify(options)} binds ${host}`, async () => {
    const target = await resolve(listener('http', address, { options }), both);
    const family = host.includes(':') ? 'inet6' : 'inet';
    assert.deepEqual(target, { address: { family, host, port: 80 }, ipv6Only });
  });
}

test('a host name without IPv4 address binds its first IPv6 address', async () => {
  const lookup: Lookup = async () => [{ address: '2001:db8::2', family: 6 }];
  const target = await resolve(listener('http', 'six.test:80'), lookup);
  assert.equal(target.address.host, '2001:db8::2');
});

for (const [address, host] of [
  ['localhost:80', '127.0.0.1'],
  ['LOCALHOST.:80', '127.0.0.1'],
  ['app.localhost:80', '127.0.0.1'],
  ['tcp4:localhost:80', '127.0.0.1'],
  ['tcp6:localhost:80', '::1'],
  ['udp:localhost:80', '127.0.0.1'],
] as const) {
  test(`${address} resolves to ${host} without a lookup (RFC 6761)`, async () => {
    const lookup: Lookup = () => assert.fail('a resolver was asked');
    const target = await resolve(listener('http', address), lookup);
    assert.equal(target.address.host, host);
  });
}

test('a name other than localhost is looked up', async () => {
  const target = await resolve(listener('http', 'notlocalhost:80'), both);
  assert.equal(target.address.host, '192.0.2.1');
});

test('a host name is resolved by the system', async () => {
  const name = hostname();
  const expected = await lookup(name, { family: 4 }).catch(() => null);
  const target = resolve(listener('http', `tcp4:${name}:80`));
  if (expected === null) await assert.rejects(target);
  else assert.equal((await target).address.host, expected.address);
});

test('without IPv6 in the kernel an empty host is 0.0.0.0', async (t) => {
  const inet6 = 10;
  let missing = false;
  t.after(
    useLibc({
      socket: (domain) => {
        missing = domain === inet6;
        return -1;
      },
      errno: () => errnoNumber(missing ? 'EAFNOSUPPORT' : 'EMFILE'),
    }),
  );
  const target = await resolve(listener('http', ':80'));
  assert.equal(target.address.host, '0.0.0.0');
});

test('the check for IPv6 releases its descriptor', async () => {
  const lowestFree = () => {
    const fd = rawCall('eventfd', 0, 0);
    rawCall('close', fd);
    return fd;
  };
  const before = lowestFree();
  await resolve(listener('http', ':80'));
  assert.equal(lowestFree(), before);
});

test('a host that does not resolve is a clear error', async () => {
  const lookup: Lookup = async () => {
    throw Object.assign(new Error('getaddrinfo ENOTFOUND nowhere.test'), { code: 'ENOTFOUND' });
  };
  await assert.rejects(resolve(listener('http', 'nowhere.test:80'), lookup), {
    name: 'ListenerError',
    listener: 'http',
    code: 'ENOTFOUND',
    message:
      'resolve tcp nowhere.test:80: ENOTFOUND: the host name does not resolve. Check the name, /etc/hosts and DNS',
  });
});

test('a host name without an address of the family is refused', async () => {
  const lookup: Lookup = async () => [{ address: '2001:db8::2', family: 6 }];
  await assert.rejects(resolve(listener('http', 'tcp4:six.test:80'), lookup), {
    message: 'resolve tcp4 six.test:80: the host name has no IPv4 address',
  });
});

test('ipv6_only on an IPv4 address is refused', async () => {
  const config = listener('http', '127.0.0.1:80', { options: { ipv6_only: true } });
  await assert.rejects(resolve(config), {
    message: 'resolve tcp 127.0.0.1:80: ipv6_only needs an IPv6 address. Write [::] for all addresses',
  });
});

function resolve(config: ListenerConfig, lookup?: Lookup): Promise<InetTarget> {
  if (config.address.kind !== 'inet') throw new Error('not a TCP or UDP address');
  return resolveTarget(config, config.address, lookup);
}
