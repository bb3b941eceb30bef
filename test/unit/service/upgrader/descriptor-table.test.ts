import assert from 'node:assert/strict';
import { closeSync, fstatSync, openSync } from 'node:fs';
import test, { type TestContext } from 'node:test';
import type { Inherited } from '../../../../src/service/upgrader/descriptor.ts';
import { DescriptorTable } from '../../../../src/service/upgrader/descriptor-table.ts';
import type { Asked } from '../../../../src/service/upgrader/socket-name.ts';

const isOpen = (fd: number): boolean => {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
};

/** Any open file represents a socket. */
function descriptor(t: TestContext, fields: Partial<Inherited>): Inherited {
  const fd = openSync('/dev/null', 'r');
  t.after(() => isOpen(fd) && closeSync(fd));
  const { dev, ino } = fstatSync(fd);
  const name = fields.name ?? fields.asked ?? 'one';
  return {
    fd,
    kind: 'listener',
    asked: null,
    bound: null,
    path: null,
    identity: { dev, ino },
    ...fields,
    name,
  };
}

const tcp = (port: number, host: string | null = '127.0.0.1'): Asked => ({ network: 'tcp', host, port });

function tableOf(...descriptors: Inherited[]): DescriptorTable {
  const table = new DescriptorTable();
  table.inherit(descriptors);
  return table;
}

test('a socket is found by its name, then by the requested address, then by the bound address', (t) => {
  const named = descriptor(t, { name: 'admin', asked: 'tcp:127.0.0.1:0', bound: 'tcp:127.0.0.1:5001' });
  const any = descriptor(t, { asked: 'tcp:127.0.0.1:0', bound: 'tcp:127.0.0.1:5002' });
  const fixed = descriptor(t, { asked: 'tcp:localhost:80', bound: 'tcp:127.0.0.1:80' });
  const take = (asked: Asked, name?: string): Inherited | null =>
    tableOf(named, any, fixed).take('listener', asked, name);
  assert.equal(take(tcp(0), 'admin'), named);
  // A new name for a known address.
  assert.equal(take(tcp(0), 'other'), any);
  assert.equal(take(tcp(5002)), any);
  assert.equal(take(tcp(80)), fixed);
  assert.equal(take(tcp(80, 'LOCALHOST')), fixed);
  assert.equal(take(tcp(81)), null);
  assert.equal(tableOf(named).take('datagram', tcp(0), 'admin'), null);
});

test('several sockets for any port are assigned in order, each once', (t) => {
  const all = [5001, 5002].map((port) =>
    descriptor(t, { asked: 'tcp:127.0.0.1:0', bound: `tcp:127.0.0.1:${port}` }),
  );
  const table = tableOf(...all);
  assert.equal(table.take('listener', tcp(0)), all[0]);
  assert.equal(table.take('listener', tcp(0)), all[1]);
  assert.equal(table.take('listener', tcp(0)), null);
});

test('a descriptor of another file than recorded is refused', (t) => {
  const one = descriptor(t, { name: 'one' });
  const wrong = { ...one, identity: { dev: 0, ino: 0 } };
  assert.throws(() => tableOf(wrong), /descriptor \d+, handed over as one, does not match its description/);
  closeSync(one.fd);
  assert.throws(() => tableOf(one), /does not match its description/);
});

test('unused sockets are closed, and their paths are reported', (t) => {
  const path = { path: '/run/a', dev: 1, ino: 2 };
  const unused = descriptor(t, { name: 'a', path });
  const used = descriptor(t, { name: 'b' });
  const table = tableOf(unused, used);
  table.takeNamed('b');
  assert.deepEqual(table.closeUnused(), [path]);
  assert.deepEqual(table.closeUnused(), []);
  assert.deepEqual([isOpen(unused.fd), isOpen(used.fd)], [false, true]);
});

test('only open sockets of the same file are passed on', (t) => {
  const [open, closed] = [descriptor(t, { name: 'open' }), descriptor(t, { name: 'closed' })];
  const table = new DescriptorTable();
  for (const one of [open, closed]) table.use({ ...one, fd: () => one.fd, owner: null }, false);
  table.use({ ...closed, name: 'gone', fd: () => null, owner: {} }, false);
  table.use(
    { ...open, name: 'another', identity: { dev: 0, ino: 0 }, fd: () => open.fd, owner: null },
    false,
  );
  closeSync(closed.fd);
  assert.deepEqual(
    table.toHandOn().map(({ described: { name } }) => name),
    ['open'],
  );
});

test('an address or a name is used once, any port as often as requested', (t) => {
  const table = new DescriptorTable();
  const one = descriptor(t, { name: 'a', asked: 'tcp:127.0.0.1:0', bound: 'tcp:127.0.0.1:5001' });
  table.use({ ...one, fd: () => one.fd, owner: null }, false);
  assert.throws(() => table.assertUnused(tcp(5001)), { code: 'EADDRINUSE' });
  assert.throws(() => table.assertUnused(tcp(0), 'a'), { code: 'EADDRINUSE' });
  table.assertUnused(tcp(0), 'b');
});
