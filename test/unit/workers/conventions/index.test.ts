import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  conventions,
  expectsBlocking,
  type Handed,
  listenFdsWarning,
} from '../../../../src/workers/conventions/index.ts';
import { listener } from '../support.ts';

const tcp = listener('http', 3, { family: 'inet', host: '127.0.0.1', port: 81 });
const wildcard = listener('any', 4, { family: 'inet6', host: '::', port: 8080 });
const six = listener('six', 5, { family: 'inet6', host: '::1', port: 82 });
const unix = listener('unix', 6, { family: 'unix', path: '/path.sock' });
const udp = listener('dns', 7, { family: 'inet', host: '127.0.0.1', port: 53 }, 'udp');
const handed: Handed = {
  generation: 7,
  worker: 2,
  listeners: [unix, tcp, udp, six, wildcard],
  notifyPath: null,
  watchdog: null,
  shutdown: { signal: 'SIGQUIT', timeout: 5_000 },
  supervisorPid: 42,
};
const all = ['systemd', 'server_starter', 'einhorn', 'notify', 'nginx', 'fpm'] as const;

test('systemd gets every socket, with the names in the order of the numbers', () => {
  const { variables, listenPid } = conventions(['systemd'], handed);
  assert.equal(variables.LISTEN_FDS, '5');
  assert.equal(variables.LISTEN_FDNAMES, 'http:any:six:unix:dns');
  assert.equal(listenPid, true);
});

test('LISTEN_FDS is omitted if the numbers have a gap or do not begin at 3', () => {
  for (const listeners of [[tcp, six], [wildcard], []]) {
    const { variables, listenPid } = conventions(['systemd'], { ...handed, listeners });
    assert.equal(variables.LISTEN_FDS, undefined);
    assert.equal(variables.LISTEN_FDNAMES, undefined);
    assert.equal(listenPid, false);
  }
});

test('only nginx expects non-blocking sockets', () => {
  assert.equal(expectsBlocking(['systemd', 'server_starter', 'einhorn', 'fpm']), true);
  assert.equal(expectsBlocking(['nginx']), false);
});

test('the warning lists the numbers, and there is none if nothing is missing', () => {
  assert.equal(
    listenFdsWarning(['systemd'], [{ target: 9 }, { target: 3 }]),
    'LISTEN_FDS is left out: it can only describe 3..4, and the listeners have the descriptors 3, 9',
  );
  assert.equal(listenFdsWarning(['systemd'], [{ target: 4 }, { target: 3 }]), null);
  assert.equal(listenFdsWarning(['systemd'], []), null);
  assert.equal(listenFdsWarning(['nginx'], [{ target: 9 }]), null);
});

test('Server::Starter gets stream sockets by number, and a wildcard by its port alone', () => {
  const { variables } = conventions(['server_starter'], handed);
  assert.equal(variables.SERVER_STARTER_PORT, '127.0.0.1:81=3;8080=4;[::1]:82=5;/path.sock=6');
  assert.equal(variables.SERVER_STARTER_GENERATION, '7');
});

test('Server::Starter gets the hosts of two wildcards with one port', () => {
  const four = listener('four', 3, { family: 'inet', host: '0.0.0.0', port: 8080 });
  const { variables } = conventions(['server_starter'], { ...handed, listeners: [four, wildcard] });
  assert.equal(variables.SERVER_STARTER_PORT, '0.0.0.0:8080=3;[::]:8080=4');
});

test('Einhorn gets a count, numbered descriptors and the pid of the parent, and no socket path', () => {
  const { variables } = conventions(['einhorn'], handed);
  assert.equal(variables.EINHORN_FD_COUNT, '4');
  assert.deepEqual(
    [0, 1, 2, 3].map((index) => variables[`EINHORN_FD_${index}`]),
    ['3', '4', '5', '6'],
  );
  assert.equal(variables.EINHORN_MASTER_PID, '42');
  assert.equal('EINHORN_SOCK_PATH' in variables, false);
});

test('nginx gets every descriptor except Unix datagrams', () => {
  const gram = listener('log', 8, { family: 'unix', path: '/log.sock' }, 'unixgram');
  const { variables } = conventions(['nginx'], { ...handed, listeners: [...handed.listeners, gram] });
  assert.equal(variables.NGINX, '3;4;5;6;7;');
});

test('php-fpm gets address and descriptor, with IPv6 without brackets', () => {
  const { variables } = conventions(['fpm'], handed);
  assert.equal(variables.FPM_SOCKETS, '127.0.0.1:81=3,:::8080=4,::1:82=5,/path.sock=6');
});

test('the variables of zero are always set', () => {
  const { variables } = conventions([], { ...handed, listeners: [tcp] });
  assert.deepEqual(variables, {
    ZERO_LISTENERS: '[{"name":"http","fd":3,"address":"127.0.0.1:81"}]',
    ZERO_GENERATION: '7',
    ZERO_WORKER: '2',
    ZERO_SHUTDOWN_SIGNAL: 'SIGQUIT',
    ZERO_SHUTDOWN_TIMEOUT_MS: '5000',
  });
});

test('NOTIFY_SOCKET is set if the worker has one', () => {
  const { variables } = conventions(all, { ...handed, notifyPath: '@zero/x/1' });
  assert.equal(variables.NOTIFY_SOCKET, '@zero/x/1');
  assert.equal(conventions(all, handed).variables.NOTIFY_SOCKET, undefined);
});

test('without the protocol notify only a variable of zero has the path of the notify socket', () => {
  const given = { ...handed, notifyPath: '/run/x', watchdog: 1000 };
  const { variables, watchdogPid } = conventions(['systemd'], given);
  assert.deepEqual(
    [variables.NOTIFY_SOCKET, variables.WATCHDOG_USEC, watchdogPid],
    [undefined, undefined, false],
  );
  assert.equal(variables.ZERO_NOTIFY_SOCKET, '/run/x');
  assert.equal(conventions(all, given).variables.ZERO_NOTIFY_SOCKET, undefined);
});

test('without listeners only the variables of zero are set', () => {
  const { variables } = conventions(all, { ...handed, listeners: [] });
  const names = Object.keys(variables);
  assert.ok(names.length > 0 && names.every((name) => name.startsWith('ZERO_')), names.join());
});
