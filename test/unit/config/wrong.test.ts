import assert from 'node:assert/strict';
import test from 'node:test';
import { problemsOf, runtime, service } from './fixture.ts';

const listeners = (...each: string[]) => service('listeners:', ...each.map((one) => `  - ${one}`));

for (const [name, text, problems] of [
  ['no service', 'application: {}\n', ['1:1: missing key "service"']],
  ['no runtime', 'service: { listeners: [] }\n', ['1:10: service: missing key "runtime"']],
  ['no path', 'service:\n  runtime:\n    name: x\n', ['3:5: service.runtime: missing key "path"']],
  ['an empty path', 'service:\n  runtime:\n    path:\n', ['3:5: service.runtime: missing key "path"']],
  [
    'a quoted empty path',
    'service: { runtime: { path: "" } }',
    ['1:29: service.runtime.path: is empty: write a path'],
  ],
  ['a list for a mapping', 'service: []\n', ['1:10: service: must be a mapping, not a list']],
  [
    'a word for a mapping',
    service('options: fast'),
    ['3:12: service.options: must be a mapping, not "fast"'],
  ],
  [
    'a mapping for a list',
    service('listeners: {}'),
    ['3:14: service.listeners: must be a list, not a mapping'],
  ],
  ['a word for a list', runtime('args: -v'), ['1:53: service.runtime.args: must be a list, not "-v"']],
  [
    'a mapping for text',
    runtime('args: [{a: b}]'),
    ['1:54: service.runtime.args[0]: must be text, not a mapping'],
  ],
  ['an empty list item', listeners(''), ['4:7: service.listeners[0]: must be a mapping, not nothing']],
  [
    'yes for true',
    service('readiness: { notify: yes }'),
    ['3:24: service.readiness.notify: must be true or false, not "yes"'],
  ],
  [
    'an unknown word',
    service('restart: { policy: allways }'),
    [
      '3:22: service.restart.policy: must be always, on-failure or never, not "allways": did you mean "always"?',
    ],
  ],
  [
    'watch and hooks',
    service('watch: { paths: [], quiet: 0s }', 'hooks: { before_reload: { run: [] }, after_promoted: {} }'),
    [
      '3:19: service.watch.paths: is an empty list',
      '3:30: service.watch.quiet: "0s" must be longer than 0',
      '4:34: service.hooks.before_reload.run: is an empty list',
      '4:40: unknown key "after_promoted": did you mean "after_promote"?',
    ],
  ],
  [
    'a key in the wrong mapping',
    service('reload_signal: HUP', 'address: ":80"'),
    ['3:3: unknown key "reload_signal": it belongs in service.options', '4:3: unknown key "address"'],
  ],
  [
    'near misses',
    service('lisener: []', 'readyness: {}').replace('{ path', '{ arg: [], path'),
    [
      '2:14: unknown key "arg": did you mean "args"?',
      '3:3: unknown key "lisener": did you mean "listeners"?',
      '4:3: unknown key "readyness": did you mean "readiness"?',
    ],
  ],
  [
    'duplicate names and addresses',
    listeners(
      '{ name: a, address: localhost:80 }',
      '{ name: a, address: "tcp://LOCALHOST:80" }',
      '{ name: b, address: "tcp4:127.0.0.1:81" }',
      '{ name: c, address: "127.0.0.1:81" }',
      '{ name: d, address: "unix:/x" }',
      '{ name: e, address: "unixgram:/x" }',
    ),
    [
      '5:15: service.listeners[1].name: duplicate name "a": service.listeners[0].name has it too',
      '5:27: service.listeners[1].address: duplicate address "tcp:127.0.0.1:80": service.listeners[0].address has it too',
      '7:27: service.listeners[3].address: duplicate address "tcp:127.0.0.1:81": service.listeners[2].address has it too',
      '9:27: service.listeners[5].address: duplicate address "unix:/x": service.listeners[4].address has it too',
    ],
  ],
  [
    'localhost next to the address that it means',
    listeners(
      '{ name: a, address: "127.0.0.1:80" }',
      '{ name: b, address: localhost:80 }',
      '{ name: c, address: "tcp4:app.localhost:80" }',
      '{ name: d, address: "tcp6:localhost:80" }',
      '{ name: e, address: "[::1]:80" }',
      '{ name: f, address: "udp:localhost:80" }',
    ),
    [
      '5:27: service.listeners[1].address: duplicate address "tcp:127.0.0.1:80": service.listeners[0].address has it too',
      '6:27: service.listeners[2].address: duplicate address "tcp:127.0.0.1:80": service.listeners[0].address has it too',
      '8:27: service.listeners[4].address: duplicate address "tcp:[::1]:80": service.listeners[3].address has it too',
    ],
  ],
  [
    'an IPv4-mapped address next to the address that it means',
    listeners(
      '{ name: a, address: "127.0.0.1:80" }',
      '{ name: b, address: "[::ffff:127.0.0.1]:80" }',
      '{ name: c, address: "tcp4::81" }',
      '{ name: d, address: "[::ffff:127.0.0.1]:81" }',
      '{ name: e, address: "tcp6::82" }',
      '{ name: f, address: "[::ffff:127.0.0.1]:82" }',
    ),
    [
      '5:27: service.listeners[1].address: duplicate address "tcp:127.0.0.1:80": service.listeners[0].address has it too',
      '7:27: service.listeners[3].address: "tcp:[::ffff:127.0.0.1]:81" overlaps with "tcp4::81" at service.listeners[2]: both would have the same address and port',
    ],
  ],
  [
    'descriptors',
    `${listeners(
      '{ name: a, address: ":1", socket_fd: 2 }',
      '{ name: b, address: ":2", socket_fd: 9 }',
      '{ name: c, address: ":3", socket_fd: 9 }',
      '{ name: d, address: ":4", socket_fd: "0x9" }',
      '{ name: e, address: ":5", socket_fd: 3.5 }',
      '{ name: f, address: ":6", socket_fd: -1 }',
    )}  readiness: { ready_fd: 9 }\n`,
    [
      '4:44: service.listeners[0].socket_fd: cannot be 2: zero reads the output of the service there. Use 3 or more',
      '6:44: service.listeners[2].socket_fd: duplicate descriptor 9: service.listeners[1].socket_fd has it too',
      '7:44: service.listeners[3].socket_fd: must be a whole number, not "0x9"',
      '8:44: service.listeners[4].socket_fd: must be a whole number, not 3.5',
      '9:44: service.listeners[5].socket_fd: -1 is too small: at least 0',
      '10:26: service.readiness.ready_fd: duplicate descriptor 9: service.listeners[1].socket_fd has it too',
    ],
  ],
  [
    'descriptor 0 of a service with several listeners',
    listeners('{ name: a, address: ":1", socket_fd: 0 }', '{ name: b, address: ":2" }'),
    ['4:44: service.listeners[0].socket_fd: can be 0 only for a service with one listener. Use 3 or more'],
  ],
  [
    'options where the kernel has none',
    listeners(
      '{ name: a, address: ":1", mode: 0600, owner: root, group: x }',
      '{ name: b, address: "unix:/b", options: { defer_accept: 1, mark: 1, ipv6_only: true, free_bind: false } }',
      '{ name: c, address: "udp::3", backlog: 10, options: { fast_open: 1 } }',
      '{ name: d, address: "tcp4::4", options: { ipv6_only: true } }',
      '{ name: e, address: "unix:@e", mode: 0600 }',
      '{ name: f, address: "localhost:6", options: { ipv6_only: true } }',
      '{ name: g, address: "[::ffff:127.0.0.1]:7", options: { ipv6_only: true } }',
    ),
    [
      '4:33: service.listeners[0].mode: is for the file of a Unix socket, and tcp has none',
      '4:45: service.listeners[0].owner: is for the file of a Unix socket, and tcp has none',
      '4:58: service.listeners[0].group: is for the file of a Unix socket, and tcp has none',
      '5:49: service.listeners[1].options.defer_accept: is for tcp, not for unix',
      '5:66: service.listeners[1].options.mark: is for tcp and udp, not for unix',
      '5:75: service.listeners[1].options.ipv6_only: is for tcp and udp, not for unix',
      '6:37: service.listeners[2].backlog: is for connections, and udp has none',
      '6:61: service.listeners[2].options.fast_open: is for tcp, not for udp',
      '7:49: service.listeners[3].options.ipv6_only: is for IPv6, and "tcp4::4" is IPv4',
      '8:38: service.listeners[4].mode: is for the file of a Unix socket, and an abstract address has none',
      '9:53: service.listeners[5].options.ipv6_only: is for IPv6, and "tcp:localhost:6" is IPv4',
      '10:62: service.listeners[6].options.ipv6_only: is for IPv6, and "tcp:[::ffff:127.0.0.1]:7" is IPv4',
    ],
  ],
  [
    'signals',
    service('options: { reload_signal: TERM, shutdown_signal: 15 }'),
    [
      '3:29: service.options.reload_signal: cannot be SIGTERM: it stops zero',
      '3:52: service.options.shutdown_signal: 15 is a number: write SIGTERM',
    ],
  ],
  [
    'a shutdown_signal that ends nothing',
    service('options: { reload_signal: KILL, shutdown_signal: CONT }'),
    [
      '3:29: service.options.reload_signal: cannot be SIGKILL: no process can catch it',
      '3:52: service.options.shutdown_signal: cannot be SIGCONT: it does not end a process',
    ],
  ],
  [
    'capabilities',
    runtime('capabilities: [CAP_NET_BIND_SERVIC, NET_RAW, cap_net_raw, 10], no_new_privs: 1'),
    [
      '1:62: service.runtime.capabilities[0]: "CAP_NET_BIND_SERVIC" is not a capability: did you mean "CAP_NET_BIND_SERVICE"?',
      '1:92: service.runtime.capabilities[2]: duplicate CAP_NET_RAW',
      '1:105: service.runtime.capabilities[3]: "10" is not a capability: write a name such as CAP_NET_BIND_SERVICE, see capabilities(7)',
      '1:124: service.runtime.no_new_privs: must be true or false, not "1"',
    ],
  ],
  [
    'capabilities of root',
    runtime('user: root, capabilities: [CAP_NET_RAW]'),
    ['1:59: service.runtime.capabilities: has no effect for root: set user to another user'],
  ],
  [
    'forwarded signals',
    runtime('forward_signals: [HUP, TERM, winch, SIGWINCH]'),
    [
      '1:65: service.runtime.forward_signals[0]: cannot be SIGHUP: it is the reload_signal',
      '1:70: service.runtime.forward_signals[1]: cannot be SIGTERM: it stops zero',
      '1:83: service.runtime.forward_signals[3]: duplicate SIGWINCH',
    ],
  ],
  [
    'protocols',
    runtime('protocols: [systemd, systemd, einhorm]'),
    [
      '1:68: service.runtime.protocols[1]: duplicate systemd',
      '1:77: service.runtime.protocols[2]: must be systemd, server_starter, einhorn, notify, nginx or fpm, not "einhorm": did you mean "einhorn"?',
    ],
  ],
  [
    'messages of a service that does not get NOTIFY_SOCKET',
    'service: { runtime: { name: x, path: /x, protocols: [systemd] }, readiness: { notify: true }, liveness: { watchdog: 10s } }\n',
    [
      '1:87: service.readiness.notify: needs notify in service.runtime.protocols',
      '1:117: service.liveness.watchdog: needs notify in service.runtime.protocols',
    ],
  ],
  [
    'variables',
    runtime('environment: [{key: A=b}, {key: B}, {key: B}, {value: 1}, {key: "C\\0"}, "D=1"]'),
    [
      '1:67: service.runtime.environment[0].key: "A=b" has a "=": the part behind it belongs in value',
      '1:89: service.runtime.environment[2].key: duplicate variable "B": service.runtime.environment[1].key has it too',
      '1:93: service.runtime.environment[3]: missing key "key"',
      '1:111: service.runtime.environment[4].key: has a NUL character',
      '1:119: service.runtime.environment[5]: must be a mapping, not "D=1"',
    ],
  ],
  [
    'limits and umask',
    runtime('limits: { nofil: 1, core: 2:1 }, umask: 099'),
    [
      '1:57: unknown key "nofil": did you mean "nofile"?',
      '1:73: service.runtime.limits.core: "2:1": the soft limit is above the hard one',
      '1:87: service.runtime.umask: "099" is not an octal number: write permission bits such as "0660"',
    ],
  ],
  [
    'a name that is a path',
    runtime('name: ../x'),
    [
      '1:53: service.runtime.name: "../x" cannot be the name of a directory: use letters, digits and . _ - + @ : and begin with a letter or digit',
    ],
  ],
  [
    'gates',
    `${listeners('{ name: a, address: ":80" }')}  readiness:
    http: { address: localhost:80, path: health, status: 2xx, interval: 0 }
    tcp: { address: udp::1 }
    command: { run: [] }
    timeout: 60
`,
    [
      '6:22: service.readiness.http.address: "tcp:localhost:80" is service.listeners[0], where the old generation also answers: write "listener: a" instead',
      '6:42: service.readiness.http.path: "health" does not begin with a slash',
      '6:58: service.readiness.http.status: "2xx" is not a status: write 200, 200-299 or 200,204',
      '6:73: service.readiness.http.interval: "0" must be longer than 0',
      '7:21: service.readiness.tcp.address: "udp::1" is for datagrams: write a tcp or unix address',
      '8:21: service.readiness.command.run: is an empty list',
      '9:14: service.readiness.timeout: "60" has no unit: write 60s',
    ],
  ],
  [
    'a gate at port 0',
    service('readiness: { tcp: { address: ":0" }, accept: true }'),
    [
      '3:32: service.readiness.tcp.address: "tcp::0": no client can connect to port 0',
      '3:48: service.readiness.accept: true is not possible: the config has no listener',
    ],
  ],
  [
    'restart',
    service('restart: { backoff: { initial: 1m, max: 1s, factor: 0.5 }, on_stall: yes }'),
    [
      '3:43: service.restart.backoff.max: 1s is shorter than initial, 1m',
      '3:55: service.restart.backoff.factor: 0.5 is too small: at least 1',
      '3:72: service.restart.on_stall: must be true or false, not "yes"',
    ],
  ],
  [
    'application',
    `application: { metrics: { address: localhost:1, proxy: x }, logging: { level: loud }, sentry_dsn: s3cret }\n${service()}`,
    [
      '1:36: application.metrics.address: "localhost:1" is not a metrics address: it must begin with udp://, tcp://, unix:// or file://',
      '1:56: application.metrics.proxy: is not a proxy: write http://host:port or socks5://host:port',
      '1:79: application.logging.level: must be debug, info, warn or error, not "loud"',
      '1:99: application.sentry_dsn: is not a Sentry DSN: copy it from the project settings, https://KEY@host/PROJECT',
    ],
  ],
  [
    'an admin endpoint where the service is',
    `application: { admin: { address: 8080 } }\n${service('listeners: [{ name: a, address: :8080 }]')}`,
    [
      '1:34: application.admin.address: "tcp:localhost:8080" is service.listeners[0], which belongs to the service: give it an address of its own',
    ],
  ],
] as const) {
  test(name, () => assert.deepEqual(problemsOf(text), problems));
}

test('problems contain no control characters', () => {
  assert.deepEqual(problemsOf(service('"\\e[31mred": 1')), ['3:3: unknown key "\\u001b[31mred"']);
});
