import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errnoNumber } from '../../../../src/linux/errors.ts';
import { useLibc } from '../../../../src/linux/libc.ts';
import { inodeOf } from '../../../../src/linux/sockets.ts';
import { describeHolder, portHolder } from '../../../../src/listeners/diagnosis/holders.ts';
import { acquire, listener, only, portOf, startProgram } from '../fixture.ts';

const nobodys = (): null => null;

test('the holder is reported as its process, without the options of its command line', async (t) => {
  const holder = await startProgram(
    t,
    `process.title = 'nginx: master process nginx --password=secret';
     const s = require('net').createServer();
     s.listen(0, '::1', () => console.log(s.address().port));`,
  );
  const found = portHolder('tcp', { family: 'inet6', host: '::1', port: Number(holder.line) });
  assert.equal(describeHolder(found, nobodys), `by pid ${holder.pid} (nginx: master process nginx)`);
});

test('among several sockets on the port the overlapping one is reported', async (t) => {
  const one = only(await acquire(t, [listener('a', 'tcp4:127.0.0.1:0')]));
  const port = portOf(one);
  const other = only(await acquire(t, [listener('b', `tcp4:127.0.0.2:${port}`)]));
  for (const { fd, address } of [one, other]) {
    assert.ok(address.family !== 'unix');
    assert.equal(portHolder('tcp', address)?.inode, inodeOf(fd));
  }
});

test('the UDP socket with exactly the address is reported', async (t) => {
  const one = only(await acquire(t, [listener('a', 'udp4:127.0.0.1:0')]));
  const port = portOf(one);
  const other = only(await acquire(t, [listener('b', `udp4:127.0.0.2:${port}`)]));
  for (const { fd, address } of [one, other]) {
    assert.ok(address.family !== 'unix');
    assert.equal(portHolder('udp', address)?.inode, inodeOf(fd));
    assert.equal(portHolder('udp', address)?.uid, process.geteuid?.());
  }
});

test('a process without permission to inspect it is reported by its user', () => {
  assert.equal(describeHolder({ inode: 0, uid: 1234 }, nobodys), 'by a process of uid 1234');
  const unknown = 'by a process that this user may not inspect';
  assert.equal(describeHolder({ inode: 0, uid: null }, nobodys), unknown);
});

test('without sock_diag no name is reported, and no second error', (t) => {
  t.after(useLibc({ socket: () => -1, errno: () => errnoNumber('EPROTONOSUPPORT') }));
  assert.equal(portHolder('tcp', { family: 'inet', host: '127.0.0.1', port: 1 }), null);
});
