import assert from 'node:assert/strict';
import test from 'node:test';
import { type Address, listenArgument, overlaps, parseAddress } from '../../../src/config/address.ts';

function address(text: string): Address {
  const parsed = parseAddress(text);
  if ('problem' in parsed) assert.fail(parsed.problem);
  return parsed.value;
}

for (const [text, network, host, port, normalised] of [
  ['localhost:80', 'tcp', 'localhost', 80, 'tcp:localhost:80'],
  ['LocalHost:80', 'tcp', 'localhost', 80, 'tcp:localhost:80'],
  [':80', 'tcp', '', 80, 'tcp::80'],
  ['0.0.0.0:80', 'tcp', '', 80, 'tcp::80'],
  ['[::]:80', 'tcp', '', 80, 'tcp::80'],
  ['tcp4:0.0.0.0:80', 'tcp4', '', 80, 'tcp4::80'],
  ['tcp6:[::]:80', 'tcp6', '', 80, 'tcp6::80'],
  ['[::1]:080', 'tcp', '::1', 80, 'tcp:[::1]:80'],
  ['[0:0::0001]:80', 'tcp', '::1', 80, 'tcp:[::1]:80'],
  ['[FE80::1%eth0]:80', 'tcp', 'fe80::1%eth0', 80, 'tcp:[fe80::1%eth0]:80'],
  ['127.0.0.1:0', 'tcp', '127.0.0.1', 0, 'tcp:127.0.0.1:0'],
  ['tcp:127.0.0.1:80', 'tcp', '127.0.0.1', 80, 'tcp:127.0.0.1:80'],
  ['tcp://127.0.0.1:80', 'tcp', '127.0.0.1', 80, 'tcp:127.0.0.1:80'],
  ['TCP4:example.com:65535', 'tcp4', 'example.com', 65535, 'tcp4:example.com:65535'],
  ['udp::53', 'udp', '', 53, 'udp::53'],
  ['udp6:[::1]:53', 'udp6', '::1', 53, 'udp6:[::1]:53'],
  ['http:8080', 'tcp', 'http', 8080, 'tcp:http:8080'],
  ['my_app:8080', 'tcp', 'my_app', 8080, 'tcp:my_app:8080'],
] as const) {
  test(`address ${text}`, () => {
    assert.deepEqual(address(text), { kind: 'inet', network, host, port, text: normalised });
    assert.deepEqual(address(normalised), address(text), 'its text is an address, too');
  });
}

for (const [text, network, path] of [
  ['unix:/run/app.sock', 'unix', '/run/app.sock'],
  ['unix:///run/app.sock', 'unix', '/run/app.sock'],
  ['unix:/run//./app.sock', 'unix', '/run/app.sock'],
  ['unix:./app.sock', 'unix', 'app.sock'],
  ['unix:../app.sock', 'unix', '../app.sock'],
  ['unix:@app', 'unix', '@app'],
  ['unixgram:/dev/log', 'unixgram', '/dev/log'],
  [`unix:/${'x'.repeat(106)}`, 'unix', `/${'x'.repeat(106)}`],
] as const) {
  test(`address ${text}`, () => {
    assert.deepEqual(address(text), { kind: 'unix', network, path, text: `${network}:${path}` });
    assert.deepEqual(address(`${network}:${path}`), address(text));
  });
}

for (const [text, problem] of [
  ['', 'is empty: write an address such as localhost:8080'],
  ['8080', '"8080" has no host: write ":8080" for every interface, or "localhost:8080"'],
  ['tcp:8080', '"tcp:8080" has no host: write ":8080" for every interface, or "localhost:8080"'],
  ['localhost', '"localhost" has no port: write "localhost:8080"'],
  ['localhost:', '"localhost:" has no port'],
  ['[::1]', '"[::1]" has no port: write "[::1]:8080"'],
  ['::1:80', '"::1:80" needs brackets around its IPv6 address: write [::1]:80'],
  ['localhost:http', '"localhost:http" has the port "http": write its number'],
  ['localhost:-1', '"localhost:-1" has the port "-1": write its number'],
  ['localhost:65536', '"localhost:65536" has the port 65536: the largest is 65535'],
  ['*:80', '"*:80": leave the host out for every interface, as in ":80"'],
  ['1.2.3:80', '"1.2.3:80": "1.2.3" is not an IPv4 address'],
  ['1.2.3.256:80', '"1.2.3.256:80": "1.2.3.256" is not an IPv4 address'],
  ['a b:80', '"a b:80": "a b" is not a host name'],
  ['[::g]:80', '"[::g]:80": "::g" is not an IPv6 address'],
  ['tcp4:[::1]:80', '"tcp4:[::1]:80" has an IPv6 address, and tcp4 takes IPv4 only'],
  ['udp6:127.0.0.1:80', '"udp6:127.0.0.1:80" has an IPv4 address, and udp6 takes IPv6 only'],
  ['unix:', '"unix:" has no path'],
  ['unix:@', '"unix:@" has no path'],
  ['unix:/run/', '"/run/" is a directory: write the path of the socket in it'],
  ['unix:/a\0b', 'has a NUL character in its path'],
  ['/run/x.sock', '"/run/x.sock" looks like a Unix socket: write "unix:/run/x.sock"'],
  [
    'systemd:web',
    '"systemd:web" has the unknown network "systemd": the networks are tcp, tcp4, tcp6, udp, udp4, udp6, unix, unixgram',
  ],
  ['a:b:80', '"a:b:80" is not an address: write host:port, :port, [ipv6]:port or unix:/path'],
] as const) {
  test(`invalid address: ${JSON.stringify(text)}`, () => assert.deepEqual(parseAddress(text), { problem }));
}

test('the length of a Unix path is counted in bytes', () => {
  const parsed = parseAddress(`unix:/${'\u00e9'.repeat(54)}`);
  assert.match(
    'problem' in parsed ? parsed.problem : '',
    /has 109 bytes: the path of a Unix socket can have 107$/,
  );
});

test('a bare port of --listen means every interface', () => {
  assert.equal(listenArgument('8080'), ':8080');
  assert.equal(listenArgument('localhost:8080'), 'localhost:8080');
});

test('addresses overlap if they accept the same packets', () => {
  const reach = (one: string, other: string) => overlaps(address(one), address(other));
  assert.ok(reach(':80', 'example.com:80'));
  assert.ok(reach('localhost:80', '127.0.0.1:80'));
  assert.ok(reach('tcp6:[::1]:80', 'localhost:80'));
  assert.ok(reach('unix:/x', 'unix:/x'));
  assert.ok(!reach('localhost:80', 'localhost:81'));
  assert.ok(!reach('localhost:80', '10.0.0.1:80'));
  assert.ok(!reach('udp::80', 'tcp::80'));
  assert.ok(!reach(':0', ':0'));
  assert.ok(!reach('unix:/x', 'unix:/y'));
});
