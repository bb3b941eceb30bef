import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addressesInUse } from '../../../../src/workers/processes/address-in-use.ts';

const LINES: readonly [program: string, line: string, ...addresses: (string | null)[]][] = [
  ['Node', 'Error: listen EADDRINUSE: address already in use 127.0.0.1:21231', '127.0.0.1 21231'],
  ['Node, every address', 'Error: listen EADDRINUSE: address already in use :::8080', 'null 8080'],
  ['Node, IPv6', 'Error: listen EADDRINUSE: address already in use ::1:8080', '::1 8080'],
  ['Node, UDP', 'Error: bind EADDRINUSE 0.0.0.0:5353', 'null 5353'],
  ['Go', '2026/01/02 12:34:56 listen tcp :8080: bind: address already in use', 'null 8080'],
  ['Go, one address', 'main.go:12: listen tcp 127.0.0.1:81: bind: address already in use', '127.0.0.1 81'],
  ['Go, IPv6', 'listen tcp [::1]:8080: bind: address already in use', '::1 8080'],
  ['nginx', 'nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)', 'null 80'],
  ['nginx, IPv6', 'nginx: [emerg] bind() to [::]:80 failed (98: Address already in use)', 'null 80'],
  ['haproxy', 'cannot bind socket (Address already in use) [10.0.0.1:80]', '10.0.0.1 80'],
  ['Apache', '(98)Address already in use: AH00072: make_sock: could not bind to address [::]:80', 'null 80'],
  [
    'asyncio',
    "[Errno 98] error while attempting to bind on address ('127.0.0.1', 8080): address already in use",
    '127.0.0.1 8080',
  ],
  ['gunicorn', "[ERROR] Connection in use: ('0.0.0.0', 8000)", 'null 8000'],
  [
    'Ruby',
    'Address already in use - bind(2) for "127.0.0.1" port 3000 (Errno::EADDRINUSE)',
    '127.0.0.1 3000',
  ],
  ['Spring', 'Web server failed to start. Port 8080 was already in use.', 'null 8080'],
  ['Bun', 'error: Failed to start server. Is port 3000 in use?', 'null 3000'],
  ['.NET', 'Failed to bind to address http://127.0.0.1:5000: address already in use.', '127.0.0.1 5000'],
  ['PHP', 'Failed to listen on localhost:8000 (reason: Address already in use)', 'localhost 8000'],
  [
    'Redis',
    'Could not create server TCP listening socket 127.0.0.1:6379: bind: Address already in use',
    '127.0.0.1 6379',
  ],
  ['Python', 'OSError: [Errno 98] Address already in use', null],
  ['EventMachine', 'no acceptor (port is in use or requires root privileges) (RuntimeError)', null],
  ['Rust', 'src/main.rs:5:10: Os { code: 98, kind: AddrInUse, message: "Address already in use" }', null],
  ['an invalid port', 'listen tcp :99999: bind: address already in use', null],
];

const shown = (lines: readonly string[]) =>
  addressesInUse(lines)?.map(({ host, port }) => `${host} ${port}`) ?? 'nothing';

describe('an address in use is found in the output of', () => {
  for (const [program, line, ...addresses] of LINES)
    it(program, () =>
      assert.deepEqual(
        shown(['starting', line]),
        addresses.filter((one) => one !== null),
      ),
    );

  it('Node, if only the properties of the error remain', () => {
    const properties = ["  code: 'EADDRINUSE',", '  errno: -98,', "  syscall: 'listen',"];
    assert.deepEqual(shown([...properties, "  address: '127.0.0.1',", '  port: 21231', '}']), [
      '127.0.0.1 21231',
    ]);
    assert.deepEqual(shown([...properties, '  port: 21231', '}']), ['null 21231']);
  });

  it('a program that reports several, each once', () => {
    const line = (port: number) => `listen tcp 127.0.0.1:${port}: bind: address already in use`;
    assert.deepEqual(shown([line(1), line(2), line(1)]), ['127.0.0.1 1', '127.0.0.1 2']);
  });
});

it('no address is found in other output', () => {
  const lines = [
    'listening on 127.0.0.1:8080',
    'Error: listen EACCES: permission denied 0.0.0.0:80',
    '',
    '\u0000',
  ];
  assert.equal(shown(lines), 'nothing');
  assert.equal(shown([]), 'nothing');
});
