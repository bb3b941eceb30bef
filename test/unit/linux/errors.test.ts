import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { errnoNumber, SystemError } from '../../../src/linux/errors.ts';
import { call, callReturningErrno, tryCall, useLibc } from '../../../src/linux/libc.ts';
import { bindSocket, closeFd, connectSocket, openSocket } from '../../../src/linux/sockets.ts';

const restores: (() => void)[] = [];
afterEach(() => {
  for (const restore of restores.splice(0).reverse()) restore();
});
const fake = (...args: Parameters<typeof useLibc>) => restores.push(useLibc(...args));

test('a failed call becomes a SystemError with step, subject, errno and cause', () => {
  fake({ bind: () => -1, errno: () => errnoNumber('EACCES') });
  assert.throws(() => bindSocket(5, { family: 'inet', host: '127.0.0.1', port: 80 }), {
    name: 'SystemError',
    message: 'bind 127.0.0.1:80: EACCES: permission denied',
    code: 'EACCES',
    errno: 13,
    syscall: 'bind',
  });
});

test('errno names beyond those of libuv are known', () => {
  assert.equal(new SystemError('x', errnoNumber('EBADF')).code, 'EBADF');
  assert.equal(new SystemError('x', errnoNumber('ETIME')).code, 'ETIME');
  assert.equal(new SystemError('x', errnoNumber('EAGAIN')).code, 'EAGAIN');
  assert.match(new SystemError('x', 200).message, /200/);
  assert.throws(() => errnoNumber('ENOTANERROR'), RangeError);
});

test('an interrupted call is repeated', () => {
  let calls = 0;
  fake({
    listen: () => (++calls < 3 ? -1 : 0),
    errno: () => errnoNumber('EINTR'),
  });
  assert.equal(call('listen', 3, 1), 0);
  assert.equal(calls, 3);
});

test('an interrupted close is not repeated: the descriptor is already released', () => {
  let calls = 0;
  fake({
    close: () => {
      calls += 1;
      return -1;
    },
    errno: () => errnoNumber('EINTR'),
  });
  closeFd(99);
  assert.equal(calls, 1);
});

test('expected errors are results, others are thrown', () => {
  fake({ listen: () => -1, errno: () => errnoNumber('ESRCH') });
  assert.equal(tryCall(['ESRCH'], 'listen', 1, 0), 'ESRCH');
  assert.throws(() => tryCall(['EPERM'], 'listen', 1, 0), { code: 'ESRCH' });
});

test('functions that return their errno are supported', () => {
  fake({ posix_spawnattr_init: () => errnoNumber('ENOMEM') });
  assert.throws(() => callReturningErrno('posix_spawnattr_init', Buffer.alloc(512)), {
    code: 'ENOMEM',
    syscall: 'posix_spawnattr_init',
  });
});

test('replacements of libc nest and are restored', () => {
  const outer = useLibc({ getsockname: () => 7 });
  const inner = useLibc({ getsockname: () => 8 });
  assert.equal(call('getsockname', 0, null, null), 8);
  inner();
  assert.equal(call('getsockname', 0, null, null), 7);
  outer();
  assert.throws(() => call('getsockname', -1, null, null), { code: 'EBADF' });
});

test('a pending connection is success, a refused one is not', () => {
  const address = { family: 'inet', host: '127.0.0.1', port: 9 } as const;
  let errno = errnoNumber('EINPROGRESS');
  fake({ connect: () => -1, errno: () => errno });
  connectSocket(3, address);
  errno = errnoNumber('ECONNREFUSED');
  assert.throws(() => connectSocket(3, address), { code: 'ECONNREFUSED', syscall: 'connect' });
});

test('a real call reports its real errno', () => {
  const fd = openSocket('inet', 'stream');
  assert.throws(() => bindSocket(fd, { family: 'inet', host: '192.0.2.1', port: 0 }), {
    code: 'EADDRNOTAVAIL',
  });
  closeFd(fd);
  assert.throws(() => closeFd(fd), { code: 'EBADF' });
});
