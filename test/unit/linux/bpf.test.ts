import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as bpf from '../../../src/linux/bpf.ts';
import { type Packet, run } from '../../support/bpf-interpreter.ts';

const { assemble, jeq, jge, ja, ret, retA } = bpf;
const v4 = (saddr: string, sport: number, more: Partial<Packet> = {}): Packet => ({
  version: 4,
  saddr,
  sport,
  ...more,
});
const v6 = (saddr: string, sport: number, more: Partial<Packet> = {}): Packet => ({
  version: 6,
  saddr,
  sport,
  ...more,
});

/** Source ports from 40001 to 40010 go to lane 1, with any header. */
const byPort = assemble([
  bpf.ldb(0),
  bpf.rsh(4),
  jeq(4, 'v4', 'v6'),
  'v4',
  bpf.ldxHeaderLength(0),
  bpf.ldhIndirect(0),
  ja('port'),
  'v6',
  bpf.ldh(40),
  'port',
  jge(40001, undefined, 'no'),
  jge(40011, 'no'),
  ret(1),
  'no',
  ret(0),
]);

test('labels are assembled to relative jumps', () => {
  assert.deepEqual(byPort, [
    { code: 0x30, jt: 0, jf: 0, k: 0xfff00000 },
    { code: 0x74, jt: 0, jf: 0, k: 4 },
    { code: 0x15, jt: 0, jf: 3, k: 4 },
    { code: 0xb1, jt: 0, jf: 0, k: 0xfff00000 },
    { code: 0x48, jt: 0, jf: 0, k: 0xfff00000 },
    { code: 0x05, jt: 0, jf: 0, k: 1 },
    { code: 0x28, jt: 0, jf: 0, k: 0xfff00028 },
    { code: 0x35, jt: 0, jf: 2, k: 40001 },
    { code: 0x35, jt: 1, jf: 0, k: 40011 },
    { code: 0x06, jt: 0, jf: 0, k: 1 },
    { code: 0x06, jt: 0, jf: 0, k: 0 },
  ]);
});

test('the bytes have the layout of struct sock_filter', () => {
  assert.equal(
    bpf.encodeProgram(assemble([jeq(0x01020304, undefined, 'x'), ret(1), 'x', ret(2)])).toString('hex'),
    ['1500000104030201', '0600000001000000', '0600000002000000'].join(''),
  );
});

test('source ports are found behind IPv4 options and in IPv6', () => {
  for (const [port, lane] of [
    [40000, 0],
    [40001, 1],
    [40010, 1],
    [40011, 0],
  ] as const) {
    assert.equal(run(byPort, v4('10.0.0.1', port)), lane);
    assert.equal(run(byPort, v4('10.0.0.1', port, { options: 40 })), lane);
    assert.equal(run(byPort, v6('2001:db8::1', port)), lane);
  }
});

test('source addresses are matched', () => {
  const program = assemble([bpf.ld(12), jeq(0x7f4d0001, 'yes'), ret(0), 'yes', ret(1)]);
  assert.equal(run(program, v4('127.77.0.1', 1)), 1);
  assert.equal(run(program, v4('127.77.0.2', 1)), 0);
  const network = assemble([bpf.ld(12), bpf.and(0xffff0000), jeq(0xc0a80000, 'yes'), ret(0), 'yes', ret(1)]);
  assert.equal(run(network, v4('192.168.7.7', 1)), 1);
});

test('a share is chosen by one random number, and the lane by another one', () => {
  const program = assemble([
    bpf.random(),
    jge(Math.floor(2 ** 32 * 0.1), 'stable'),
    ret(9),
    'stable',
    bpf.random(),
    bpf.mod(3),
    bpf.add(4),
    retA(),
  ]);
  assert.equal(run(program, v4('1.1.1.1', 1, { random: [429496728] })), 9);
  assert.equal(run(program, v4('1.1.1.1', 1, { random: [429496729, 7] })), 5);
  assert.equal(run(program, v4('1.1.1.1', 1, { random: [0xffffffff, 0xffffffff] })), 4);
  assert.throws(() => run(program, v4('1.1.1.1', 1, { random: [0xffffffff] })), RangeError);
});

test('arithmetic is unsigned and 32 bits wide', () => {
  const sum = assemble([bpf.random(), bpf.add(2), retA()]);
  assert.equal(run(sum, v4('1.1.1.1', 1, { random: [0xffffffff] })), 1);
  const high = assemble([bpf.random(), bpf.and(0x80000000), jge(0x80000000, 'yes'), ret(0), 'yes', ret(1)]);
  assert.equal(run(high, v4('1.1.1.1', 1, { random: [0xffffffff] })), 1);
});

test('a read beyond the packet ends the program with 0', () => {
  assert.equal(run(assemble([bpf.ld(2000), ret(5)]), v4('1.1.1.1', 1)), 0);
  assert.equal(run(assemble([bpf.ldxHeaderLength(2000), ret(5)]), v4('1.1.1.1', 1)), 0);
});

test('invalid programs are refused', () => {
  const far = [jeq(1, 'far'), ...new Array<bpf.Statement>(256).fill(ret(0)), 'far', ret(1)];
  assert.throws(() => assemble(far), /cannot jump to far, 256/);
  assert.equal(assemble([ja('far'), ...far.slice(1)])[0]?.k, 256);
  assert.throws(() => assemble([ja('nowhere'), ret(0)]), /unknown label nowhere/);
  assert.throws(() => assemble(['twice', ret(0), 'twice', ret(1)]), /stands twice/);
  assert.throws(() => assemble(['back', ret(0), ja('back'), ret(0)]), /cannot jump to back/);
  assert.throws(() => assemble([ja('end'), 'end']), /cannot jump to end/);
  assert.throws(() => assemble([]), RangeError);
  assert.throws(() => assemble(new Array(4097).fill(ret(0))), RangeError);
  assert.throws(() => bpf.mod(0), /divides by zero/);
  assert.throws(() => run([{ code: 0x99, jt: 0, jf: 0, k: 0 }], v4('1.1.1.1', 1)), /opcode 0x99/);
  assert.throws(() => run(assemble([bpf.random()]), v4('1.1.1.1', 1, { random: [1] })), /without ret/);
});
