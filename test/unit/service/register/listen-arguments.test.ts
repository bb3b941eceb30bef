import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readListenCall } from '../../../../src/service/register/listen-arguments.ts';

const wanted = (...args: unknown[]) => {
  const found = readListenCall(args).wanted;
  if (found === null) return null;
  const { type, ...rest } = found;
  assert.equal(type, 'stream');
  return rest;
};
const callback = () => {};

describe('a call of listen', () => {
  it('specifies a port in every form of Node', () => {
    for (const args of [
      [80],
      ['80'],
      [80, callback],
      [80, 511],
      [80, undefined, 511],
      [{ port: 80 }],
      [{ port: '80' }],
    ])
      assert.deepEqual(wanted(...args), { port: 80 }, JSON.stringify(args));
    for (const args of [
      [80, 'localhost'],
      [80, 'localhost', callback],
      [80, 'localhost', 511, callback],
      [{ port: 80, host: 'localhost' }, callback],
    ])
      assert.deepEqual(wanted(...args), { port: 80, host: 'localhost' });
  });

  it('specifies a path', () => {
    for (const args of [['/run/a'], ['/run/a', callback], ['/run/a', 511], [{ path: '/run/a' }]])
      assert.deepEqual(wanted(...args), { path: '/run/a' });
    assert.deepEqual(wanted('\0a'), { path: '\0a' });
  });

  it('specifies no address that could have been passed', () => {
    assert.deepEqual(wanted(0), { port: 0 });
    for (const args of [[], [callback], [undefined], [null], [{}], [{ _handle: {} }], [{ fd: 3, port: 80 }]])
      assert.deepEqual(wanted(...args), null, JSON.stringify(args));
  });

  it('contains its other options', () => {
    const { signal } = new AbortController();
    assert.equal(readListenCall([{ fd: 3 }]).fd, 3);
    assert.equal(readListenCall([80]).fd, null);
    assert.equal(readListenCall([80, 100]).backlog, 100);
    assert.equal(readListenCall([80, 'h', 100]).backlog, 100);
    assert.equal(readListenCall([{ port: 80, backlog: 100 }]).backlog, 100);
    assert.equal(readListenCall([80, 'h']).backlog, undefined);
    assert.equal(readListenCall([80, callback]).callback, callback);
    assert.equal(readListenCall([80, 'h', 100, callback]).callback, callback);
    assert.equal(readListenCall([{ port: 80, signal }]).signal, signal);
  });
});
