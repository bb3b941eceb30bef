import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HandedError } from '../../../../src/service/handed/claim.ts';
import { chooseHanded, readClaims } from '../../../../src/service/handed/find-handed.ts';
import { parsePlace } from '../../../../src/service/handed/place.ts';
import type { Inspected } from '../../../../src/service/platform/platform.ts';
import type { Wanted } from '../../../../src/service/seams.ts';

const SELF = { pid: 100, ppid: 99 };

/** The real state of each descriptor: an address for a listening socket, `udp ADDRESS`, or the fault after a "!". */
function choose(environment: Record<string, string>, real: Record<number, string>, wanted: Partial<Wanted>) {
  const look = (fd: number): Inspected => {
    const text = real[fd] ?? '!is not open in this process';
    if (text.startsWith('!')) return { problem: text.slice(1) };
    const type = text.startsWith('udp ') ? 'datagram' : 'stream';
    const place = parsePlace(text.replace('udp ', ''));
    assert.ok(place);
    return { socket: { type, place } };
  };
  return chooseHanded(readClaims(environment, SELF), { type: 'stream', ...wanted }, look);
}

const ZERO = {
  ZERO_LISTENERS: JSON.stringify([
    { name: 'http', fd: 3, address: '127.0.0.1:8080' },
    { name: 'admin', fd: 7, address: '/run/admin.sock' },
  ]),
};
const SYSTEMD = { LISTEN_PID: '100', LISTEN_FDS: '2', LISTEN_FDNAMES: 'web:' };
const STARTER = { SERVER_STARTER_PORT: '8080=3;127.0.0.1:81=4;[::1]:82=5;/a=b.sock=6' };
const EINHORN = {
  EINHORN_FD_COUNT: '2',
  EINHORN_FD_0: '5',
  EINHORN_FD_1: '6',
  EINHORN_MASTER_PID: '99',
};

describe('a passed socket', () => {
  it('is found by its name or address in the variables of zero', () => {
    const real = { 3: '127.0.0.1:8080', 7: '/run/.admin.sock.zero-0' };
    const http = { fd: 3, name: 'http', from: 'zero' };
    assert.deepEqual(choose(ZERO, real, { port: 8080 }), http);
    assert.deepEqual(choose(ZERO, real, { port: 8080, host: 'localhost' }), http);
    assert.deepEqual(choose(ZERO, real, { name: 'http' }), http);
    assert.deepEqual(choose(ZERO, real, { name: 'http', port: 8080 }), http);
    assert.deepEqual(choose(ZERO, real, { path: '/run/admin.sock' }), { fd: 7, name: 'admin', from: 'zero' });
  });

  it('is found by its name or address in the variables of systemd', () => {
    const real = { 3: '[::]:80', 4: '[::]:443' };
    assert.deepEqual(choose(SYSTEMD, real, { name: 'web' }), { fd: 3, name: 'web', from: 'systemd' });
    assert.deepEqual(choose(SYSTEMD, real, { port: 443 }), { fd: 4, name: null, from: 'systemd' });
  });

  it('is found by its address in the variable of Server::Starter', () => {
    const real = { 3: '0.0.0.0:8080', 4: '127.0.0.1:81', 5: '[::1]:82', 6: '/a=b.sock' };
    const found = (wanted: Partial<Wanted>) => choose(STARTER, real, wanted)?.fd;
    assert.equal(found({ port: 8080 }), 3);
    assert.equal(found({ port: 81, host: '127.0.0.1' }), 4);
    assert.equal(found({ port: 82, host: '::1' }), 5);
    assert.equal(found({ path: '/a=b.sock' }), 6);
  });

  it('is found by its index in the variables of Einhorn', () => {
    const real = { 5: '127.0.0.1:80', 6: '127.0.0.1:81' };
    assert.deepEqual(choose(EINHORN, real, { port: 81 }), { fd: 6, name: null, from: 'Einhorn' });
  });

  it('is counted once if every convention lists it', () => {
    const all = { ...ZERO, ...SYSTEMD, ...STARTER };
    const real = { 3: '127.0.0.1:8080', 4: '127.0.0.1:81' };
    assert.equal(choose(all, real, { port: 8080 })?.from, 'zero');
    assert.equal(choose(all, real, { port: 81 })?.from, 'systemd');
  });

  it('is the best match', () => {
    const two = { LISTEN_PID: '100', LISTEN_FDS: '2' };
    const real = { 3: '127.0.0.1:80', 4: '0.0.0.0:80' };
    assert.equal(choose(two, real, { port: 80 })?.fd, 4);
    assert.equal(choose(two, real, { port: 80, host: '127.0.0.1' })?.fd, 3);
    assert.equal(choose(two, real, { port: 80, host: '10.0.0.1' })?.fd, 4);
  });

  it('may have the port of a socket of another type', () => {
    const real = { 3: 'udp 0.0.0.0:53', 4: '0.0.0.0:53' };
    const two = { LISTEN_PID: '100', LISTEN_FDS: '2' };
    assert.equal(choose(two, real, { port: 53 })?.fd, 4);
    assert.equal(choose(two, real, { port: 53, type: 'datagram' })?.fd, 3);
    assert.equal(choose(two, { 3: 'udp 0.0.0.0:53', 4: 'udp 0.0.0.0:54' }, { port: 53 }), null);
  });

  it('is missing for another address, another name, or without a request', () => {
    const real = { 3: '127.0.0.1:8080', 7: '/run/admin.sock' };
    assert.equal(choose(ZERO, real, { port: 8081 }), null);
    assert.equal(choose(ZERO, real, { port: 8080, host: '10.0.0.1' }), null);
    assert.equal(choose(ZERO, real, { path: '/run/other.sock' }), null);
    assert.equal(choose(ZERO, real, { name: 'other' }), null);
    assert.equal(choose(ZERO, real, { port: 0 }), null);
    assert.equal(choose({}, real, { port: 8080 }), null);
  });

  it('is missing if it is meant for another process', () => {
    const real = { 3: '0.0.0.0:80', 4: '0.0.0.0:81', 5: '0.0.0.0:82', 6: '0.0.0.0:83' };
    for (const pid of ['1', '', '1000', 'x'])
      assert.equal(choose({ ...SYSTEMD, LISTEN_PID: pid }, real, { port: 80 }), null);
    assert.equal(choose({ LISTEN_FDS: '1' }, real, { port: 80 }), null);
    assert.equal(choose({ ...EINHORN, EINHORN_MASTER_PID: '1' }, real, { port: 82 }), null);
  });

  it('is an error if its descriptor differs from the variables', () => {
    const wrong = (real: Record<number, string>, wanted: Partial<Wanted>, environment = ZERO as object) => {
      let message = '';
      assert.throws(
        () => choose(environment as Record<string, string>, real, wanted),
        (error) => {
          assert.ok(error instanceof HandedError);
          message = error.message;
          return true;
        },
      );
      return message;
    };
    assert.equal(
      wrong({}, { port: 8080 }),
      'descriptor 3 (http), handed over by zero, is not open in this process',
    );
    assert.match(
      wrong({ 3: '!is not a socket but /dev/null' }, { name: 'http' }),
      /is not a socket but \/dev\/null$/,
    );
    assert.match(
      wrong({ 3: '127.0.0.1:9090' }, { port: 8080 }),
      /listens on 127\.0\.0\.1:9090, not on 127\.0\.0\.1:8080$/,
    );
    assert.match(
      wrong({ 3: '127.0.0.1:8080' }, { name: 'http', port: 81 }),
      /listens on 127\.0\.0\.1:8080, not on \*:81$/,
    );
    assert.match(wrong({ 3: '/run/x.sock' }, { port: 8080 }), /listens on \/run\/x\.sock, not on/);
    assert.match(wrong({ 7: '[::1]:80' }, { path: '/run/admin.sock' }), /listens on \[::1\]:80, not on/);
    assert.match(wrong({ 3: 'udp 127.0.0.1:8080' }, { name: 'http' }), /is a datagram socket, and a stream/);
    assert.match(
      wrong({ 3: '0.0.0.0:80' }, { port: 443 }, SYSTEMD),
      /^descriptor 4, .* systemd, is not open/,
    );
  });

  it('is an error where a variable is malformed', () => {
    const malformed: [string, string][] = [
      ['ZERO_LISTENERS', '{'],
      ['ZERO_LISTENERS', '{}'],
      ['ZERO_LISTENERS', '[null]'],
      ['ZERO_LISTENERS', '[{"name":"a","fd":"3","address":"80"}]'],
      ['ZERO_LISTENERS', '[{"name":"a","fd":-1,"address":"80"}]'],
      ['SERVER_STARTER_PORT', '8080'],
      ['SERVER_STARTER_PORT', '=3'],
      ['SERVER_STARTER_PORT', '8080=x'],
      ['SERVER_STARTER_PORT', '8080=3;'],
      ['LISTEN_FDS', 'x'],
      ['LISTEN_FDS', '-1'],
      ['EINHORN_FD_COUNT', 'two'],
      ['EINHORN_FD_COUNT', '1'],
    ];
    for (const [name, value] of malformed) {
      const environment = { LISTEN_PID: '100', EINHORN_MASTER_PID: '99', [name]: value };
      assert.throws(
        () => readClaims(environment, SELF),
        (error) => {
          assert.ok(error instanceof HandedError);
          assert.match(error.message, /^(ZERO_LISTENERS|SERVER_STARTER_PORT|LISTEN_FDS|EINHORN_FD_)/);
          return true;
        },
      );
    }
  });
});
