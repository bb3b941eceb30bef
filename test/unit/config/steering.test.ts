import assert from 'node:assert/strict';
import test from 'node:test';
import { isSteered, sharedBecause, steeringMode } from '../../../src/config/steering.ts';
import { configOf, service } from './fixture.ts';

const LISTENERS = `listeners:
    - { name: web, address: ':80' }
    - { name: plain, address: ':81', steer: false }
    - { name: must, address: ':82', steer: true }
    - { name: dns, address: 'udp::53' }
    - { name: app, address: 'unix:/run/app', steer: true }
    - { name: old, address: 'unix:/run/old' }
    - { name: dark, address: 'unix:@dark' }
    - { name: log, address: 'unixgram:/run/log' }`;

test('each listener is steered, or has a reason', () => {
  const { service: config } = configOf(service(LISTENERS));
  const reasons = config.listeners.map((listener) => [listener.name, sharedBecause(listener, config)]);
  assert.deepEqual(Object.fromEntries(reasons), {
    web: null,
    plain: 'its steer is false',
    must: null,
    dns: 'udp has no connections',
    app: null,
    old: 'a Unix socket needs steer: true',
    dark: 'an abstract name cannot be moved from one socket to another',
    log: 'unixgram has no connections',
  });
  assert.deepEqual(
    config.listeners.filter((listener) => isSteered(listener, config)).map(({ name }) => name),
    ['web', 'must', 'app'],
  );
});

test('nginx keeps only a Unix listener shared', () => {
  const text = service(LISTENERS).replace('/bin/app', '/bin/app, protocols: [nginx]');
  assert.deepEqual(steeringMode(configOf(text)), { mode: 'steered', reason: null, steered: ['web', 'must'] });
  const only = service("listeners: [{ name: app, address: 'unix:/x', steer: true }]");
  assert.deepEqual(steeringMode(configOf(only.replace('/bin/app', '/bin/app, protocols: [nginx]'))), {
    mode: 'shared',
    reason: 'no listener can be steered ("app": nginx needs a Unix socket under its own path)',
    steered: [],
  });
});

for (const [name, text, reason] of [
  ['no listener', service(), 'the config has no listener'],
  [
    'none that can be steered',
    service("listeners: [{ name: dns, address: 'udp::53' }, { name: app, address: 'unix:/x' }]"),
    'no listener can be steered ("dns": udp has no connections; "app": a Unix socket needs steer: true)',
  ],
  [
    'shared mode',
    service("listeners: [{ name: web, address: ':80' }]", 'handover: { mode: shared }'),
    'service.handover.mode is shared',
  ],
] as const) {
  test(`reason for no steering: ${name}`, () => {
    assert.deepEqual(steeringMode(configOf(text)), { mode: 'shared', reason, steered: [] });
  });
}
