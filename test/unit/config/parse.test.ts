import assert from 'node:assert/strict';
import test from 'node:test';
import { configOf, problemsOf, runtime, service } from './fixture.ts';

const FIRST_SYSTEM = `application:
  metrics: { address: udp://localhost:8125, prefix: zero }
service:
  listeners:
    - { name: http, address: localhost:80, socket_fd: 3 }
  runtime:
    name: example
    directory: /etc/example
    path: /usr/bin/example
    args: ['--config', 'config.yaml']
    environment: [{ key: FOO, value: bar }, { key: BAZ }]
  options: { reload_signal: SIGUSR1, reload_uptime: 5s, shutdown_signal: SIGINT, shutdown_timeout: 500s }
`;

test('the example of the first system has the same meaning', () => {
  assert.deepEqual(configOf(FIRST_SYSTEM), {
    application: {
      metrics: { address: [{ network: 'udp', host: 'localhost', port: 8125 }], prefix: 'zero' },
      control: {},
      logging: { format: 'auto', level: 'info' },
      restart_supervisor: 'auto',
    },
    service: {
      listeners: [
        {
          name: 'http',
          address: { kind: 'inet', network: 'tcp', host: 'localhost', port: 80, text: 'tcp:localhost:80' },
          socket_fd: 3,
          steer: 'auto',
          backlog: 4096,
          options: {},
        },
      ],
      runtime: {
        name: 'example',
        directory: '/etc/example',
        path: '/usr/bin/example',
        args: ['--config', 'config.yaml'],
        environment: [
          { key: 'FOO', value: 'bar' },
          { key: 'BAZ', value: '' },
        ],
        inherit_environment: false,
        limits: {},
        no_new_privs: false,
        capabilities: [],
        workers: 1,
        protocols: ['systemd', 'server_starter', 'einhorn', 'notify'],
        forward_signals: [],
      },
      options: {
        reload_signal: 'SIGUSR1',
        reload_uptime: 5000,
        shutdown_signal: 'SIGINT',
        shutdown_timeout: 500_000,
      },
      readiness: { accept: 'auto', notify: false, timeout: 60_000 },
      handover: {
        mode: 'auto',
        preview_from: [],
        preview_timeout: 3_600_000,
        canary: { steps: [], by: 'connection' },
        soak: 0,
        stall: 10_000,
        settle: 1000,
        drain_timeout: 5000,
        close_idle: 'off',
        max_retiring: 2,
      },
      restart: {
        policy: 'always',
        on_stall: false,
        max_memory: null,
        backoff: { initial: 100, factor: 2, max: 30_000, reset_after: 60_000 },
      },
      hooks: {},
    },
  });
});

test('every default is filled in', () => {
  const { application, service: defaults } = configOf('service: { runtime: { path: bin/app } }');
  const logging = { format: 'auto', level: 'info' };
  assert.deepEqual(application, { control: {}, logging, restart_supervisor: 'auto' });
  assert.deepEqual(defaults.listeners, []);
  assert.equal(defaults.runtime.name, undefined);
  assert.equal(defaults.runtime.directory, '');
  assert.equal(defaults.runtime.inherit_environment, true);
  assert.deepEqual(defaults.options, {
    reload_signal: 'SIGHUP',
    reload_uptime: 1000,
    shutdown_signal: 'SIGTERM',
    shutdown_timeout: 30_000,
  });
});

test('gates have their defaults', () => {
  const { readiness } = configOf(
    service("readiness: { http: { address: ':81' }, tcp: { address: 'unix:/x' }, command: { run: [true] } }"),
  ).service;
  assert.deepEqual(readiness.http, {
    address: { kind: 'inet', network: 'tcp', host: '', port: 81, text: 'tcp::81' },
    path: '/',
    status: [{ from: 200, to: 299 }],
    interval: 250,
    timeout: 2000,
  });
  assert.deepEqual(readiness.tcp?.interval, 250);
  assert.deepEqual(readiness.command, { run: ['true'], timeout: 10_000 });
});

test('text is kept as written', () => {
  const config = configOf(
    runtime('args: [--port, 8080, 0660, 1e3, yes, null, ~, 0x10, 1.50, "quoted", \'\', 2024-01-01, -1]'),
  );
  assert.deepEqual(config.service.runtime.args, [
    '--port',
    '8080',
    '0660',
    '1e3',
    'yes',
    'null',
    '~',
    '0x10',
    '1.50',
    'quoted',
    '',
    '2024-01-01',
    '-1',
  ]);
});

test('values of variables are kept as written, including names and block text', () => {
  const { environment } = configOf(
    runtime(
      'environment: [{key: A, value: 1e3}, {key: B, value: null}, {key: NO, value: no}, {key: C, value: }, {key: 1}]',
    ),
  ).service.runtime;
  assert.deepEqual(environment, [
    { key: 'A', value: '1e3' },
    { key: 'B', value: 'null' },
    { key: 'NO', value: 'no' },
    { key: 'C', value: '' },
    { key: '1', value: '' },
  ]);
  const block = configOf(
    service('').replace(
      '{ path: /bin/app }',
      '\n    path: /bin/app\n    args:\n      - |\n        a\n        b\n',
    ),
  );
  assert.deepEqual(block.service.runtime.args, ['a\nb\n']);
});

test('a key that is empty or null is treated as absent', () => {
  const config = configOf(
    `application:\n  metrics:\n  sentry_dsn: ~\n  logging: { file: null, level: }\n${service('options:', 'listeners: ~', 'readiness: { http: , ready_fd: null }')}`,
  );
  assert.equal(config.application.metrics, undefined);
  assert.equal('sentry_dsn' in config.application, false);
  assert.deepEqual(config.application.logging, { format: 'auto', level: 'info' });
  assert.deepEqual(config.service.listeners, []);
  assert.equal(config.service.options.reload_signal, 'SIGHUP');
  assert.deepEqual(config.service.readiness, { accept: 'auto', notify: false, timeout: 60_000 });
});

test('omitted descriptors get the next free numbers', () => {
  const listeners = [
    '{ name: a, address: ":1" }',
    '{ name: b, address: ":2", socket_fd: 3 }',
    '{ name: c, address: ":3" }',
  ];
  const config = configOf(service(`listeners: [${listeners.join(', ')}]`, 'readiness: { ready_fd: 5 }'));
  assert.deepEqual(
    config.service.listeners.map((listener) => listener.socket_fd),
    [4, 3, 6],
  );
});

test('port 0 may be used twice', () => {
  const config = configOf(service("listeners: [{ name: a, address: ':0' }, { name: b, address: ':0' }]"));
  assert.equal(config.service.listeners.length, 2);
});

test('numbers may be quoted, and modes are octal in every notation', () => {
  const listener =
    '{ name: a, address: "unix:/x", socket_fd: "7", backlog: 1e3, mode: 0660, owner: 0, options: { receive_buffer: 4096 } }';
  const [only] = configOf(service(`listeners: [${listener}]`)).service.listeners;
  assert.deepEqual(only, {
    name: 'a',
    address: { kind: 'unix', network: 'unix', path: '/x', text: 'unix:/x' },
    socket_fd: 7,
    steer: 'auto',
    backlog: 1000,
    mode: 0o660,
    owner: '0',
    options: { receive_buffer: 4096 },
  });
});

test('limits, umask, signals and protocols are read', () => {
  const config = configOf(
    runtime(
      'umask: 027, limits: { nofile: 65536, core: 0:unlimited }, protocols: [nginx], forward_signals: [winch, SIGCONT], no_new_privs: true, capabilities: [CAP_NET_BIND_SERVICE, sys_nice]',
    ),
  ).service.runtime;
  assert.equal(config.umask, 0o27);
  assert.deepEqual(config.limits, {
    nofile: { soft: 65536, hard: 65536 },
    core: { soft: 0, hard: 'unlimited' },
  });
  assert.deepEqual(config.protocols, ['nginx']);
  assert.deepEqual(config.forward_signals, ['SIGWINCH', 'SIGCONT']);
  assert.equal(config.no_new_privs, true);
  assert.deepEqual(config.capabilities, [
    { name: 'CAP_NET_BIND_SERVICE', number: 10 },
    { name: 'CAP_SYS_NICE', number: 23 },
  ]);
});

test('an inherited environment can be requested', () => {
  assert.equal(
    configOf(runtime('environment: [{key: A}], inherit_environment: true')).service.runtime
      .inherit_environment,
    true,
  );
  assert.equal(configOf(runtime('inherit_environment: false')).service.runtime.inherit_environment, false);
});

test('anchors, aliases and merge keys are resolved', () => {
  const config = configOf(`service:
  runtime: &base { path: /bin/app, args: &args [a] }
  listeners:
    - &one { name: one, address: ':1', backlog: 10 }
    - { <<: *one, name: two, address: ':2' }
    - { <<: [*one, { mode: 1 }], name: three, address: 'unix:/3' }
`);
  assert.deepEqual(
    config.service.listeners.map(({ name, backlog, mode }) => ({ name, backlog, mode })),
    [
      { name: 'one', backlog: 10, mode: undefined },
      { name: 'two', backlog: 10, mode: undefined },
      { name: 'three', backlog: 10, mode: 1 },
    ],
  );
});

test('byte order mark, CRLF and a document start are accepted', () => {
  assert.equal(
    configOf('\uFEFF---\r\nservice:\r\n  runtime:\r\n    path: /bin/app\r\n').service.runtime.path,
    '/bin/app',
  );
  assert.deepEqual(problemsOf('\uFEFFservices: {}\r\nservice:\r\n  runtime: {}\r\n'), [
    '1:1: unknown key "services": did you mean "service"?',
    '3:12: service.runtime: missing key "path"',
  ]);
});
