import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSourceRange } from '../../../../src/listeners/lanes/source-range.ts';
import { type GroupPlan, steeringProgram } from '../../../../src/listeners/lanes/steering-program.ts';
import { run } from '../../../support/bpf-interpreter.ts';

const NOTHING: GroupPlan = { probes: [], preview: null, canary: null, main: [0] };

/** The index to which a connection is steered. */
function steered(
  plan: Partial<GroupPlan>,
  saddr: string,
  { sport = 1234, random = [], options = 0 }: { sport?: number; random?: number[]; options?: number } = {},
): number {
  const version = saddr.includes(':') ? 6 : 4;
  return run(steeringProgram({ ...NOTHING, ...plan }), { version, saddr, sport, random, options });
}

const share = (percent: number) => Math.round(2 ** 32 * (percent / 100));

test('one lane needs one instruction', () => {
  assert.equal(steeringProgram({ ...NOTHING, main: [3] }).length, 1);
  assert.equal(steered({ main: [3] }, '1.2.3.4'), 3);
  assert.throws(() => steeringProgram({ ...NOTHING, main: [] }), /needs a lane/);
});

test('contiguous lanes are selected by arithmetic, others by a table', () => {
  const all = (main: number[]) =>
    [0, 1, 2, 3, 4].map((random) => steered({ main }, '1.2.3.4', { random: [random] }));
  assert.deepEqual(all([7, 5, 6]), [5, 6, 7, 5, 6]);
  assert.deepEqual(new Set(all([9, 2, 5])), new Set([2, 5, 9]));
  assert.deepEqual(all([4, 4]), [4, 4, 4, 4, 4]);
});

test('the canary gets its share, and draws a second number for its lanes', () => {
  const plan = { main: [0, 1], canary: { percent: 10, by: 'connection', indices: [4, 5] } } as const;
  const go = (...random: number[]) => steered(plan, '1.2.3.4', { random });
  assert.equal(go(share(10) - 1, 0), 4);
  assert.equal(go(share(10) - 1, 1), 5);
  assert.equal(go(share(10), 0), 0);
  assert.equal(go(0xffffffff, 1), 1);
});

test('a canary may have a share of 0 % and of 100 %', () => {
  const canary = (percent: number) => ({ percent, by: 'connection', indices: [2] }) as const;
  assert.equal(steered({ canary: canary(0) }, '1.2.3.4'), 0);
  assert.equal(steered({ canary: canary(100) }, '1.2.3.4'), 2);
  assert.equal(steered({ canary: { ...canary(50), indices: [] } }, '1.2.3.4'), 0);
});

for (const [name, address] of [
  ['IPv4', (index: number) => `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`],
  ['IPv6, hosts of one network', (index: number) => `2001:db8::${index.toString(16)}`],
  ['IPv6, networks', (index: number) => `2001:db8:${index.toString(16)}::1`],
] as const) {
  test(`by address, ${name}: the share is that of the clients, each on one side, growing`, () => {
    const program = (percent: number) =>
      steeringProgram({ ...NOTHING, canary: { percent, by: 'address', indices: [1] } });
    const [five, half] = [program(5), program(50)];
    let few = 0;
    let many = 0;
    for (let index = 0; index < 20_000; index += 1) {
      const saddr = address(index);
      const version = saddr.includes(':') ? 6 : 4;
      const inFew = run(five, { version, saddr, sport: index });
      const inMany = run(half, { version, saddr, sport: 1 });
      if (inFew === 1) assert.equal(inMany, 1);
      few += inFew;
      many += inMany;
    }
    // Standard deviations 31 and 71. The bounds are five of them.
    assert.ok(Math.abs(few - 1000) < 155, `${few}`);
    assert.ok(Math.abs(many - 10_000) < 355, `${many}`);
  });
}

test('probes are matched first, by address and port, with any header', () => {
  const plan: Partial<GroupPlan> = {
    main: [0],
    probes: [
      { family: 'inet', host: '127.0.0.1', port: 4001, index: 5 },
      { family: 'inet6', host: '::1', port: 4001, index: 6 },
      { family: 'inet', host: '127.0.0.1', port: 4002, index: 7 },
    ],
    preview: { from: [parseSourceRange('127.0.0.0/8')], indices: [8] },
    canary: { percent: 100, by: 'connection', indices: [9] },
  };
  assert.equal(steered(plan, '127.0.0.1', { sport: 4001 }), 5);
  assert.equal(steered(plan, '127.0.0.1', { sport: 4001, options: 40 }), 5);
  assert.equal(steered(plan, '127.0.0.1', { sport: 4002 }), 7);
  assert.equal(steered(plan, '::1', { sport: 4001 }), 6);
  assert.equal(steered(plan, '::1', { sport: 4002 }), 9);
  assert.equal(steered(plan, '127.0.0.2', { sport: 4001 }), 8);
  assert.equal(steered(plan, '1.0.0.127', { sport: 4001 }), 9);
  assert.equal(steered(plan, '::2', { sport: 4001 }), 9);
  assert.equal(steered(plan, '1::1', { sport: 4001 }), 9);
});

test('previews are matched by address and by network', () => {
  const from = ['127.77.0.1', '10.8.0.0/13', '2001:db8::/33', 'fd00::1', '::ffff:192.0.2.0/120'].map(
    parseSourceRange,
  );
  const plan = { preview: { from, indices: [3] } };
  const inside = ['127.77.0.1', '10.8.0.0', '10.15.255.255', '2001:db8:7fff::1', 'fd00::1', '192.0.2.200'];
  const outside = [
    '127.77.0.2',
    '10.16.0.0',
    '10.7.255.255',
    '2001:db8:8000::',
    'fd00::2',
    '192.0.3.0',
    '::1',
  ];
  for (const address of inside) assert.equal(steered(plan, address), 3, address);
  for (const address of outside) assert.equal(steered(plan, address), 0, address);
});

test('a preview may match every address of one family', () => {
  const plan = { preview: { from: [parseSourceRange('0.0.0.0/0')], indices: [3] } };
  assert.equal(steered(plan, '9.9.9.9'), 3);
  assert.equal(steered(plan, '::1'), 0);
});

test('the program has room for 60 probes, 200 previews and 200 lanes', () => {
  const plan: Partial<GroupPlan> = {
    probes: Array.from({ length: 60 }, (_, index) => ({
      family: index % 2 === 0 ? 'inet' : 'inet6',
      host: index % 2 === 0 ? '127.0.0.1' : '::1',
      port: 5000 + index,
      index: 300 + index,
    })),
    preview: {
      from: Array.from({ length: 200 }, (_, index) =>
        parseSourceRange(index % 2 === 0 ? `10.0.${index}.0/24` : `fd00:${index}::/32`),
      ),
      indices: [1000],
    },
    canary: { percent: 50, by: 'address', indices: Array.from({ length: 200 }, (_, index) => index * 2) },
    main: Array.from({ length: 200 }, (_, index) => index * 2 + 1),
  };
  assert.equal(steered(plan, '127.0.0.1', { sport: 5058 }), 358);
  assert.equal(steered(plan, '::1', { sport: 5059 }), 359);
  assert.equal(steered(plan, '10.0.198.7'), 1000);
  assert.equal(steered(plan, 'fd00:199::7'), 1000);
  const lanes = new Set(
    Array.from({ length: 400 }, (_, index) =>
      steered(plan, `11.0.${index >> 8}.${index & 255}`, { random: [index] }),
    ),
  );
  assert.ok(lanes.size > 150);
});

test('invalid addresses are refused', () => {
  for (const text of ['', 'localhost', '1.2.3', '1.2.3.4/33', '::1/129', '1.2.3.4/x', '::ffff:1.2.3.4/90']) {
    assert.throws(() => parseSourceRange(text), RangeError, text);
  }
});
