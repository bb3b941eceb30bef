import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { configFromArguments } from '../../../../src/config/index.ts';
import { resolveTarget } from '../../../../src/listeners/binding/resolve.ts';
import {
  addressText,
  matchListeners,
  type OfferedSocket,
  type WantedListener,
} from '../../../../src/supervisor/adoption/match-listeners.ts';
import { AdoptionError } from '../../../../src/supervisor/adoption/permission.ts';

const HOLDER = { pid: 12, startTime: 1, fd: 18 };
const WHERE = { pid: 12, where: 'zero.yaml' };

function socket(host: string, port: number, ipv6Only = false): OfferedSocket {
  const family = host.includes(':') ? 'inet6' : 'inet';
  return { inode: port, address: { family, host, port }, holder: HOLDER, ipv6Only };
}

async function listeners(...addresses: string[]): Promise<WantedListener[]> {
  const made = configFromArguments({ listen: addresses, command: ['/bin/true'] });
  assert.ok('config' in made);
  return Promise.all(
    made.config.service.listeners.map(async (config) => {
      const { address } = config;
      return { config, target: address.kind === 'inet' ? await resolveTarget(config, address) : null };
    }),
  );
}

async function refusal(wanted: string[], offered: OfferedSocket[]): Promise<string> {
  try {
    matchListeners(await listeners(...wanted), offered, WHERE);
  } catch (error) {
    assert.ok(error instanceof AdoptionError);
    return error.message;
  }
  assert.fail('it was not refused');
}

describe('the listeners of a config and the sockets of a process', () => {
  const sockets = [
    socket('127.0.0.1', 80),
    socket('0.0.0.0', 81),
    socket('::', 82),
    socket('::', 83, true),
    socket('::1', 84, true),
  ];

  it('match by the address that each socket is bound to', async () => {
    const wanted = sockets.map(addressText);
    assert.deepEqual(wanted, ['127.0.0.1:80', 'tcp4:0.0.0.0:81', '[::]:82', 'tcp6:[::]:83', '[::1]:84']);
    const matched = matchListeners(await listeners(...wanted), sockets, WHERE);
    assert.deepEqual(
      matched.map((one) => one.socket),
      sockets,
    );
  });

  it('match by the path of a Unix socket', async () => {
    const unix = { ...socket('', 0), address: { family: 'unix', path: '/run/x' } } as OfferedSocket;
    assert.equal(addressText(unix), 'unix:/run/x');
    assert.equal(matchListeners(await listeners('unix:/run/x'), [unix], WHERE).length, 1);
  });

  it('do not match if a listener has no socket, and the message contains the most similar one', async () => {
    const message = await refusal([':81'], [socket('0.0.0.0', 81)]);
    assert.match(message, /^cannot adopt process 12: zero\.yaml does not match its sockets\. /);
    assert.match(
      message,
      /The process does not listen on \[::\]:81 \(IPv4 and IPv6\), the address of listener listener1\./,
    );
    assert.match(message, /On this port it listens on 0\.0\.0\.0:81: write address: 'tcp4:0\.0\.0\.0:81'\./);
  });

  it('do not match if a socket has no listener, and the message contains the line to add', async () => {
    const message = await refusal(['127.0.0.1:80'], [socket('127.0.0.1', 80), socket('127.0.0.1', 9090)]);
    assert.match(message, /Add the listener "- { name: port9090, address: '127\.0\.0\.1:9090' }"\./);
  });

  it('do not match if a listener receives datagrams', async () => {
    assert.match(await refusal(['udp:127.0.0.1:53'], []), /zero adopts only TCP and Unix stream sockets\./);
  });
});
