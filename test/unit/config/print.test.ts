import assert from 'node:assert/strict';
import test from 'node:test';
import { printConfig } from '../../../src/config/index.ts';
import { configOf, runtime } from './fixture.ts';

const EVERYTHING = `
application:
  metrics: { address: 'udp://localhost:8125,file:///m', prefix: zero, proxy: 'socks5://me:pass@proxy:1' }
  sentry_dsn: https://s3cret:s3cret@sentry.example:9000/path/1
  logging: { format: json, level: debug, file: /var/log/zero.log }
  runtime_directory: /run/x
  data_directory: /var/lib/x
service:
  listeners:
    - { name: a, address: '[::1]:80', socket_fd: 9, backlog: 1, options: { ipv6_only: true, mark: 7, bind_to_device: eth0 } }
    - { name: b, address: 'unix:/b', mode: 0600, owner: 0, group: www }
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
    protocols: [nginx]
    forward_signals: [WINCH]
  options: { reload_signal: USR1, reload_uptime: 0, shutdown_signal: RTMIN+3, shutdown_timeout: 1h1.5s }
  readiness:
    notify: true
    ready_fd: 10
    http: { address: ':81', path: /x, status: '204,300-399', interval: 1s, timeout: 3s, host: example.com }
    tcp: { address: 'unix:@x' }
    command: { run: [a, 1], timeout: 1m }
    timeout: 2m
  restart: { policy: on-failure, backoff: { initial: 1us, factor: 1.5, max: 1h, reset_after: 2m } }
`;

test('what is printed is read back as the same, masks apart', () => {
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
  const printed = printConfig(configOf(runtime('')));
  for (const line of [
    'name: app',
    'reload_signal: SIGHUP',
    'shutdown_timeout: 30s',
    'reset_after: 1m',
    'format: auto',
  ]) {
    assert.ok(printed.includes(line), line);
  }
});
