import assert from 'node:assert/strict';
import test from 'node:test';
import { parseSourceAddress } from '../../../src/config/values/source-address.ts';
import { configOf, problemsOf, runtime, service } from './fixture.ts';

const WEB = "listeners: [{ name: web, address: ':80' }]";
const DNS = "listeners: [{ name: dns, address: 'udp::53' }]";
const APP = "listeners: [{ name: app, address: 'unix:/x', steer: true }]";
const handover = (listeners: string, keys: string) => service(listeners, `handover: { ${keys} }`);
const NO_UDP = 'no listener can be steered ("dns": udp has no connections)';

test('every key of a handover is read', () => {
  const { handover: read } = configOf(
    handover(
      WEB,
      "preview_from: [127.77.0.1, '::FFFF:10.0.0.1', '2001:DB8:0::1', 10.0.0.0/8], canary: { steps: [{ percent: 0.5, for: 1s }, { percent: 100, for: 1m }], by: address }, soak: 1m, verify: { http: { listener: web, status: 204 } }",
    ),
  ).service;
  assert.deepEqual(read, {
    mode: 'auto',
    preview_from: ['127.77.0.1', '10.0.0.1', '2001:db8::1', '10.0.0.0/8'],
    preview_timeout: 3_600_000,
    canary: {
      steps: [
        { percent: 0.5, for: 1000 },
        { percent: 100, for: 60_000 },
      ],
      by: 'address',
    },
    soak: 60_000,
    verify: {
      http: { listener: 'web', path: '/', status: [{ from: 204, to: 204 }] },
      interval: 5000,
      timeout: 2000,
      failures: 3,
    },
    stall: 10_000,
    settle: 1000,
    drain_timeout: 5000,
    close_idle: 'off',
    max_retiring: 2,
  });
});

for (const [written, meant] of [
  ['off', 'off'],
  ['"off"', 'off'],
  ['2s', 2000],
  ['1s', 1000],
] as const) {
  test(`close_idle: ${written}`, () => {
    const config = configOf(service(`handover: { close_idle: ${written} }`));
    assert.equal(config.service.handover.close_idle, meant);
  });
}

for (const [written, meant] of [
  ['true', true],
  ['false', false],
  ['auto', 'auto'],
  ['[web]', ['web']],
  ['"true"', true],
] as const) {
  test(`accept: ${written}`, () => {
    const config = configOf(service(WEB, `readiness: { accept: ${written} }`));
    assert.deepEqual(config.service.readiness.accept, meant);
  });
}

for (const [written, meant] of [
  ['1', 1],
  ['256', 256],
  ['"4"', 4],
  ['auto', 'auto'],
] as const) {
  test(`workers: ${written}`, () => {
    assert.equal(configOf(runtime(`workers: ${written}`)).service.runtime.workers, meant);
  });
}

test('a gate may name its listener', () => {
  const { readiness } = configOf(
    service(WEB, 'readiness: { http: { listener: web }, tcp: { listener: web } }'),
  ).service;
  assert.deepEqual(readiness.http, {
    listener: 'web',
    path: '/',
    status: [{ from: 200, to: 299 }],
    interval: 250,
    timeout: 2000,
  });
  assert.deepEqual(readiness.tcp, { listener: 'web', interval: 250, timeout: 2000 });
});

test('the control socket has its default and its configured path', () => {
  const { control } = configOf(
    `application: { control: { path: run/c.sock, mode: 0660, group: 27 } }\n${service()}`,
  ).application;
  assert.deepEqual(control, { path: 'run/c.sock', mode: 0o660, group: '27' });
});

test('source addresses are parsed', () => {
  for (const [text, value] of [
    ['127.0.0.1', '127.0.0.1'],
    ['0:0::1', '::1'],
    ['::ffff:7f00:1', '127.0.0.1'],
    ['::ffff:10.0.0.0/104', '10.0.0.0/8'],
    ['::/0', '::/0'],
    ['1.2.3.4/32', '1.2.3.4/32'],
  ] as const) {
    assert.deepEqual(parseSourceAddress(text), { value }, text);
  }
  for (const [text, problem] of [
    ['', '"" is not an IPv4 or IPv6 address: write one such as 127.77.0.1'],
    ['localhost', '"localhost" is not an IPv4 or IPv6 address: write one such as 127.77.0.1'],
    ['1.2.3', '"1.2.3" is not an IPv4 or IPv6 address: write one such as 127.77.0.1'],
    ['1.2.3.4:80', '"1.2.3.4:80" is not an IPv4 or IPv6 address: write one such as 127.77.0.1'],
    ['[::1]', '"[::1]": leave the brackets out'],
    ['fe80::1%eth0', '"fe80::1%eth0": leave out the zone ("%" and the text after it)'],
    ['1.2.3.4/33', '"1.2.3.4/33": the part after the slash must be a number from 0 to 32'],
    ['1.2.3.4/8/8', '"1.2.3.4/8/8": the part after the slash must be a number from 0 to 32'],
    ['::1/129', '"::1/129": the part after the slash must be a number from 0 to 128'],
    ['::1/', '"::1/": the part after the slash must be a number from 0 to 128'],
    ['::ffff:1.2.3.4/24', '"::ffff:1.2.3.4/24": the part after the slash must be a number from 96 to 128'],
  ] as const) {
    assert.deepEqual(parseSourceAddress(text), { problem }, text);
  }
});

for (const [name, text, problems] of [
  [
    'canary steps',
    handover(
      WEB,
      'canary: { steps: [{ percent: 0, for: 1s }, { percent: 50, for: 0 }, { percent: 50, for: 1s }, { percent: 101, for: 1s }, { percent: 5%, for: 1s }, { percent: 10 }], by: user }',
    ),
    [
      '4:44: service.handover.canary.steps[0].percent: 0 is too small: more than 0',
      '4:78: service.handover.canary.steps[1].for: "0" must be longer than 0',
      '4:94: service.handover.canary.steps[2].percent: 50 is not more than the step before, 50: the share must rise',
      '4:120: service.handover.canary.steps[3].percent: 101 is too large: at most 100',
      '4:147: service.handover.canary.steps[4].percent: must be a number, not "5%"',
      '4:162: service.handover.canary.steps[5]: missing key "for"',
      '4:184: service.handover.canary.by: must be connection or address, not "user"',
    ],
  ],
  [
    'idle times',
    handover(WEB, 'close_idle: 500ms'),
    ['4:27: service.handover.close_idle: "500ms" is too short: at least 1s'],
  ],
  [
    'an invalid idle time',
    handover(WEB, 'close_idle: never'),
    ['4:27: service.handover.close_idle: must be off or a duration such as 2s, not "never"'],
  ],
  [
    'settings that need steering, without a steered listener',
    handover(
      DNS,
      'mode: steered, preview_from: [::1], canary: { steps: [{ percent: 5, for: 1s }] }, soak: 1s, verify: { command: { run: [x] } }',
    ),
    [
      `4:21: service.handover.mode: steered is not possible: ${NO_UDP}`,
      `4:30: service.handover.preview_from: needs a steered TCP listener: ${NO_UDP}`,
      `4:61: service.handover.canary.steps: needs a steered TCP listener: ${NO_UDP}`,
      `4:97: service.handover.soak: needs a steered listener: ${NO_UDP}`,
      `4:107: service.handover.verify: needs a steered listener: ${NO_UDP}`,
    ],
  ],
  [
    'settings that need steering, in shared mode',
    service(
      "listeners: [{ name: web, address: ':80', steer: true }]",
      'readiness: { accept: true, http: { listener: web } }',
      'handover: { mode: shared, canary: { steps: [{ percent: 5, for: 1s }] } }',
    ),
    [
      '3:51: service.listeners[0].steer: true is not possible: service.handover.mode is shared',
      '4:24: service.readiness.accept: true is not possible: service.handover.mode is shared',
      '4:48: service.readiness.http.listener: "web" is not steered: service.handover.mode is shared',
      '5:39: service.handover.canary.steps: needs a steered TCP listener: service.handover.mode is shared',
    ],
  ],
  [
    'preview_from and canary on a Unix listener',
    handover(APP, 'preview_from: [127.0.0.1], canary: { steps: [{ percent: 5, for: 1s }] }, soak: 1s'),
    [
      '4:15: service.handover.preview_from: needs a steered TCP listener: a Unix listener is handed over as a whole',
      '4:52: service.handover.canary.steps: needs a steered TCP listener: a Unix listener is handed over as a whole',
    ],
  ],
  [
    'steer on a listener that cannot be steered',
    service(
      'listeners:',
      "  - { name: a, address: 'udp::1', steer: true }",
      "  - { name: b, address: 'unixgram:/b', steer: true }",
      "  - { name: c, address: 'unix:@c', steer: true }",
      "  - { name: d, address: ':4', steer: yes }",
      "  - { name: e, address: ':5', steer: [] }",
    ),
    [
      '4:44: service.listeners[0].steer: true is not possible: udp has no connections',
      '5:49: service.listeners[1].steer: true is not possible: unixgram has no connections',
      '6:45: service.listeners[2].steer: true is not possible: an abstract name cannot be moved from one socket to another',
      '7:40: service.listeners[3].steer: must be auto, true or false, not "yes"',
      '8:40: service.listeners[4].steer: must be auto, true or false, not a list',
    ],
  ],
  [
    'mode steered without a listener',
    service('handover: { mode: steered }'),
    ['3:21: service.handover.mode: steered is not possible: the config has no listener'],
  ],
  [
    'preview addresses',
    handover(WEB, "preview_from: [host, '::1', '0::1', 1.2.3.4/99]"),
    [
      '4:30: service.handover.preview_from[0]: "host" is not an IPv4 or IPv6 address: write one such as 127.77.0.1',
      '4:43: service.handover.preview_from[2]: duplicate ::1',
      '4:51: service.handover.preview_from[3]: "1.2.3.4/99": the part after the slash must be a number from 0 to 32',
    ],
  ],
  [
    'verify',
    handover(
      WEB,
      'verify: { http: { listener: wen, path: x }, command: {}, failures: 0, interval: 0 }, soak: 1s',
    ),
    [
      '4:43: service.handover.verify.http.listener: unknown listener "wen": did you mean "web"?',
      '4:54: service.handover.verify.http.path: "x" does not begin with a slash',
      '4:68: service.handover.verify.command: missing key "run"',
      '4:82: service.handover.verify.failures: 0 is too small: at least 1',
      '4:95: service.handover.verify.interval: "0" must be longer than 0',
    ],
  ],
  [
    'verify without a canary or a soak',
    handover(WEB, 'verify: { http: { listener: web } }'),
    ['4:15: service.handover.verify: has no effect without a canary or a soak: add one of them'],
  ],
  [
    'an empty verify',
    handover(WEB, 'verify: { interval: 1s }, soak: 1s'),
    ['4:23: service.handover.verify: missing key "http" or "command"'],
  ],
  [
    'verify of the public address',
    handover(WEB, 'verify: { http: { address: localhost:80 } }, soak: 1s'),
    [
      '4:42: service.handover.verify.http.address: "tcp:localhost:80" is service.listeners[0], where the old generation also answers: write "listener: web" instead',
    ],
  ],
  [
    'listener and address',
    service(WEB, "readiness: { http: {}, tcp: { listener: web, address: ':81' } }"),
    [
      '4:22: service.readiness.http: missing key "listener" or "address"',
      '4:57: service.readiness.tcp.address: listener is given already: one of the two',
    ],
  ],
  [
    'a gate on an unknown listener',
    service('readiness: { tcp: { listener: web } }'),
    ['3:33: service.readiness.tcp.listener: unknown listener "web": the config has no listener'],
  ],
  [
    'a gate on a shared listener',
    service(
      "listeners: [{ name: web, address: ':80', steer: false }, { name: api, address: ':81' }]",
      "readiness: { tcp: { listener: web }, http: { address: ':80' } }",
    ),
    [
      '4:33: service.readiness.tcp.listener: "web" is not steered: its steer is false',
      '4:57: service.readiness.http.address: "tcp::80" is service.listeners[0], where the old generation also answers: give the service an address of its own for this',
    ],
  ],
  [
    'accept',
    service(
      "listeners: [{ name: web, address: ':80' }, { name: dns, address: 'udp::53' }]",
      'readiness: { accept: [web, xyz, dns, web] }',
    ),
    ['4:40: service.readiness.accept[3]: duplicate "web"'],
  ],
  [
    'accept on listeners without a gate',
    service(
      "listeners: [{ name: web, address: ':80' }, { name: dns, address: 'udp::53' }]",
      'readiness: { accept: [web, xyz, dns] }',
    ),
    [
      '4:30: service.readiness.accept[1]: unknown listener "xyz": the config has "web", "dns"',
      '4:35: service.readiness.accept[2]: "dns" is not steered: udp has no connections',
    ],
  ],
  [
    'an empty accept',
    service(WEB, 'readiness: { accept: [] }'),
    ['4:24: service.readiness.accept: is an empty list: write false'],
  ],
  [
    'accept of a mapping',
    service(WEB, 'readiness: { accept: { web: true } }'),
    ['4:24: service.readiness.accept: must be true, false or a list of listeners, not a mapping'],
  ],
  [
    'accept of a list of lists',
    service(WEB, 'readiness: { accept: [[web]] }'),
    ['4:25: service.readiness.accept[0]: must be the name of a listener'],
  ],
  [
    'accept of a word',
    service(WEB, 'readiness: { accept: web }'),
    ['4:24: service.readiness.accept: must be true, false or a list of listeners, not "web"'],
  ],
  ['workers', runtime('workers: 0'), ['1:56: service.runtime.workers: 0 is too small: at least 1']],
  ['many workers', runtime('workers: 257'), ['1:56: service.runtime.workers: 257 is too large: at most 256']],
  [
    'half a worker',
    runtime('workers: 1.5'),
    ['1:56: service.runtime.workers: must be a whole number or auto, not "1.5"'],
  ],
  [
    'workers in a list',
    runtime('workers: [1]'),
    ['1:56: service.runtime.workers: must be a whole number or auto, not a list'],
  ],
  [
    'numeric limits of a handover',
    handover(WEB, 'max_retiring: 0, stall: 0, preview_timeout: 0s'),
    [
      '4:29: service.handover.max_retiring: 0 is too small: at least 1',
      '4:39: service.handover.stall: "0" must be longer than 0',
      '4:59: service.handover.preview_timeout: "0s" must be longer than 0',
    ],
  ],
  [
    'the control socket',
    `application: { control: { path: '@zero', mode: 999, groop: x } }\n${service()}`,
    [
      '1:33: application.control.path: "@zero" is abstract, and any process may use such a name',
      '1:48: application.control.mode: "999" is not an octal number: write permission bits such as "0660"',
      '1:53: unknown key "groop": did you mean "group"?',
    ],
  ],
  [
    'a path too long for a control socket',
    `application: { control: { path: /${'x'.repeat(107)} } }\n${service()}`,
    [
      `1:33: application.control.path: "/${'x'.repeat(56)}..." has 108 bytes: the path of a Unix socket can have 107`,
    ],
  ],
  [
    'an invalid listener causes no further problem',
    service(
      "listeners: [{ name: web, address: '::::' }]",
      'readiness: { accept: true, http: { listener: web } }',
      'handover: { mode: steered, preview_from: [::1] }',
    ),
    [
      '3:37: service.listeners[0].address: "::::" is not an address: write host:port, :port, [ipv6]:port or unix:/path',
    ],
  ],
] as const) {
  test(name, () => assert.deepEqual(problemsOf(text), problems));
}
