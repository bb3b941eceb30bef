import assert from 'node:assert/strict';
import test from 'node:test';
import { printConfig } from '../../../src/config/index.ts';
import { configOf, service } from './fixture.ts';

const EVERYTHING = `
application:
  metrics: { address: 'udp://localhost:8125,file:///m', prefix: zero, proxy: 'socks5://me:pass@proxy:1' }
  sentry_dsn: https://s3cret:s3cret@sentry.example:9000/path/1
  logging: { format: json, level: debug, file: /var/log/zero.log }
  control: { path: /run/c.sock, mode: 0660, group: ops }
  restart_supervisor: always
  runtime_directory: /run/x
  data_directory: /var/lib/x
service:
  listeners:
    - { name: a, address: '[::1]:80', socket_fd: 9, backlog: 1, options: { ipv6_only: true, mark: 7, bind_to_device: eth0 } }
    - { name: b, address: 'unix:/b', mode: 0600, owner: 0, group: www, steer: true }
    - { name: c, address: ':5', steer: false }
  runtime:
    name: x
    directory: d
    path: p
    args: [1e3, yes, '', ' a ', "\\n", '***']
    environment: [{ key: TOKEN, value: s3cret }, { key: HOME }]
    environment_file: /e
    inherit_environment: true
    user: '1000'
    group: app
    umask: 027
    limits: { nofile: 1:2, core: unlimited }
    workers: auto
    protocols: [systemd, notify]
    forward_signals: [WINCH]
    no_new_privs: true
    capabilities: [net_bind_service]
  options: { reload_signal: USR1, reload_uptime: 0, shutdown_signal: RTMIN+3, shutdown_timeout: 1h1.5s }
  readiness:
    accept: [a, b]
    notify: true
    ready_fd: 10
    http: { address: ':81', path: /x, status: '204,300-399', interval: 1s, timeout: 3s, host: example.com }
    tcp: { listener: b }
    command: { run: [a, 1], timeout: 1m }
    timeout: 2m
  handover:
    mode: steered
    preview_from: [127.77.0.1, '2001:db8::/32']
    preview_timeout: 2h
    canary: { steps: [{ percent: 0.5, for: 1s }, { percent: 100, for: 1m }], by: address }
    soak: 1m
    verify:
      http: { listener: a, path: /healthz, status: 200 }
      command: { run: [check], timeout: 1s }
      interval: 1s
      timeout: 3s
      failures: 1
    stall: 3s
    settle: 0
    drain_timeout: 1m
    close_idle: 90s
    max_retiring: 5
  liveness:
    http: { listener: a, path: /alive, timeout: 1s }
    command: { run: [alive] }
    watchdog: 30s
    interval: 5s
    failures: 2
    action: report
  restart: { policy: on-failure, on_stall: true, max_memory: 1.5GiB, backoff: { initial: 1us, factor: 1.5, max: 1h, reset_after: 2m } }
`;

test('a printed config is read back unchanged, except for masked values', () => {
  const config = configOf(EVERYTHING);
  const printed = printConfig(config);
  const again = configOf(printed);
  assert.equal(printConfig(again), printed);
  const { metrics } = config.application;
  assert.deepEqual(again, {
    application: {
      ...config.application,
      metrics: {
        ...metrics,
        proxy: { protocol: 'socks5', host: 'proxy', port: 1, user: { name: '***', password: '' } },
      },
      sentry_dsn: 'https://***@sentry.example:9000/path/1',
    },
    service: {
      ...config.service,
      runtime: {
        ...config.service.runtime,
        environment: [
          { key: 'TOKEN', value: '***' },
          { key: 'HOME', value: '' },
        ],
      },
    },
  });
  assert.doesNotMatch(printed, /s3cret|pass/);
});

test('defaults are written out', () => {
  const printed = printConfig(configOf(service("listeners: [{ name: a, address: ':1' }]")));
  for (const line of [
    'reload_signal: SIGHUP',
    'shutdown_timeout: 30s',
    'reset_after: 1m',
    'format: auto',
    'steer: auto',
    'workers: 1',
    'accept: auto',
    'mode: auto',
    'max_retiring: 2',
  ]) {
    assert.ok(printed.includes(line), line);
  }
});
