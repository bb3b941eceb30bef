import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  acceptSocket,
  closeFd,
  connectSocket,
  localAddress,
  openSocket,
} from '../../../../src/linux/sockets.ts';
import { resolveTarget } from '../../../../src/listeners/binding/resolve.ts';
import { admitPackets, openLane, reservePort } from '../../../../src/listeners/lanes/tcp-lane.ts';
import { listener } from '../fixture.ts';

const own = () => null;

for (const [address, family, host] of [
  ['127.0.0.1:0', 'inet', '127.0.0.1'],
  ['[::1]:0', 'inet6', '::1'],
  [':0', 'inet', '127.0.0.1'],
  [':0', 'inet6', '::1'],
] as const) {
  test(`a lane of ${address} that admits no packets is unreachable from ${host} until it admits them`, async (t) => {
    const config = listener('http', address);
    if (config.address.kind !== 'inet') assert.fail('an address of TCP');
    const { fd: reserved, target } = reservePort(config, await resolveTarget(config, config.address), own);
    const lane = openLane(config, target, own, 'later');
    t.after(() => [reserved, lane].forEach(closeFd));
    const remote = { family, host, port: target.address.port };
    const connect = () => {
      const client = openSocket(family, 'stream');
      t.after(() => closeFd(client));
      connectSocket(client, remote);
      return localAddress(client);
    };
    connect();
    assert.equal(acceptSocket(lane), null);
    admitPackets(lane, target, true);
    const client = connect();
    const accepted = acceptSocket(lane);
    assert.ok(accepted);
    t.after(() => closeFd(accepted.fd));
    if (client.family === 'unix' || accepted.peer.family === 'unix') assert.fail('an address of TCP');
    assert.equal(accepted.peer.port, client.port);
  });
}
