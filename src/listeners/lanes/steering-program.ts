import {
  add,
  and,
  assemble,
  type Instruction,
  ja,
  jeq,
  jge,
  ld,
  ldb,
  ldh,
  ldhIndirect,
  ldxHeaderLength,
  mod,
  mul,
  random,
  ret,
  retA,
  rsh,
  type Statement,
  tax,
  xorX,
} from '../../linux/bpf.ts';
import { inet4Bytes, inet6Bytes } from '../../linux/sockaddr.ts';
import type { SourceRange } from './source-range.ts';

/** Steers a connection from exactly this address and port to exactly this index. */
export interface ProbeRoute {
  readonly family: 'inet' | 'inet6';
  readonly host: string;
  readonly port: number;
  readonly index: number;
}

/** Where new connections of one reuseport group go, by index in the group. */
export interface GroupPlan {
  readonly probes: readonly ProbeRoute[];
  readonly preview: { readonly from: readonly SourceRange[]; readonly indices: readonly number[] } | null;
  readonly canary: {
    readonly percent: number;
    readonly by: 'connection' | 'address';
    readonly indices: readonly number[];
  } | null;
  readonly main: readonly number[];
}

type Source = (Statement | string)[];

// RFC 791 and RFC 8200: the offset of the source address. The version nibble selects the header: on a dual-stack socket
// the packet of an IPv4 client has an IPv4 header.
const IPV4_SOURCE = 12;
const IPV6_SOURCE = 8;
const IPV6_HEADER = 40;

/**
 * The program that selects the socket for each new connection, in this order: probes, previews, canary, main. Throws
 * RangeError without a main index, and for a plan that exceeds 4096 instructions (about 350 IPv6 preview addresses).
 */
export function steeringProgram(plan: GroupPlan): Instruction[] {
  if (plan.main.length === 0)
    throw new RangeError('a steering program needs a lane for the connections that nothing else matches');
  return assemble([
    ...bySource(plan),
    ...canary(plan),
    'main',
    ...spread('main', plan.main),
    ...(plan.preview ? ['preview', ...spread('preview', plan.preview.indices)] : []),
  ]);
}

function bySource({ probes, preview }: GroupPlan): Source {
  const ranges = preview?.from ?? [];
  if (probes.length + ranges.length === 0) return [];
  // Jumps over a whole half are `ja`: a comparison reaches at most 255 instructions.
  return [
    ldb(0),
    rsh(4),
    jeq(6, undefined, 'ipv4'),
    ja('ipv6'),
    'ipv4',
    ldxHeaderLength(0),
    ...probes.flatMap((probe, index) => (probe.family === 'inet' ? probe4(probe, `probe ${index} end`) : [])),
    ...ranges.flatMap((range, index) =>
      range.version === 4 ? match(range, IPV4_SOURCE, `range ${index} end`) : [],
    ),
    ja('rest'),
    'ipv6',
    ...probes.flatMap((probe, index) =>
      probe.family === 'inet6' ? probe6(probe, `probe ${index} end`) : [],
    ),
    ...ranges.flatMap((range, index) =>
      range.version === 6 ? match(range, IPV6_SOURCE, `range ${index} end`) : [],
    ),
    'rest',
  ];
}

/** X is the length of the IPv4 header including options. The TCP header behind it begins with the source port. */
function probe4({ host, port, index }: ProbeRoute, end: string): Source {
  const word = inet4Bytes(host).readUInt32BE(0);
  return [
    ldhIndirect(0),
    jeq(port, undefined, end),
    ld(IPV4_SOURCE),
    jeq(word, undefined, end),
    ret(index),
    end,
  ];
}

/** A probe's packet has no extension headers. */
function probe6({ host, port, index }: ProbeRoute, end: string): Source {
  const bytes = inet6Bytes(host.split('%')[0] ?? '');
  const words = [0, 4, 8, 12].flatMap((at) => [
    ld(IPV6_SOURCE + at),
    jeq(bytes.readUInt32BE(at), undefined, end),
  ]);
  return [ldh(IPV6_HEADER), jeq(port, undefined, end), ...words, ret(index), end];
}

function match({ words, masks }: SourceRange, at: number, end: string): Source {
  const tests = words.flatMap((word, index) => {
    const mask = masks[index] ?? 0;
    if (mask === 0) return [];
    return [ld(at + index * 4), ...(mask === 0xffffffff ? [] : [and(mask)]), jeq(word, undefined, end)];
  });
  return [...tests, ja('preview'), end];
}

function canary({ canary }: GroupPlan): Source {
  if (canary === null || canary.percent <= 0 || canary.indices.length === 0) return [];
  const lanes = spread('canary', canary.indices);
  if (canary.percent >= 100) return lanes;
  const threshold = Math.round(2 ** 32 * (canary.percent / 100));
  return [
    ...(canary.by === 'address' ? addressHash() : [random()]),
    jge(threshold, undefined, 'chosen'),
    ja('main'),
    'chosen',
    ...lanes,
  ];
}

// Odd multipliers: 2^32 over the golden ratio, and one of MurmurHash3's. A client always gets the same number.
// Neighbours in a network get unrelated numbers. A selected client stays selected when the share grows.
const FIRST_FACTOR = 0x9e3779b1;
const SECOND_FACTOR = 0x85ebca6b;

/** A = a number that depends on the source address only. */
function addressHash(): Source {
  return [
    ldb(0),
    rsh(4),
    jeq(6, 'hash ipv6'),
    ld(IPV4_SOURCE),
    ja('hash'),
    'hash ipv6',
    ld(IPV6_SOURCE),
    ...[4, 8, 12].flatMap((at) => [mul(FIRST_FACTOR), tax(), ld(IPV6_SOURCE + at), xorX()]),
    'hash',
    mul(FIRST_FACTOR),
    tax(),
    rsh(15),
    xorX(),
    mul(SECOND_FACTOR),
    tax(),
    rsh(13),
    xorX(),
    mul(FIRST_FACTOR),
  ];
}

/**
 * Selects one of the sockets with equal probability. Uses a new random number: the remainder of the canary's number
 * depends on its threshold and would favour some lanes.
 */
function spread(name: string, indices: readonly number[]): Source {
  const [first = 0, ...others] = [...new Set(indices)].sort((one, other) => one - other);
  const count = others.length + 1;
  if (count === 1) return [ret(first)];
  const contiguous = others.every((index, at) => index === first + at + 1);
  if (contiguous) return [random(), mod(count), add(first), retA()];
  const jumps = others.flatMap((index, at) => {
    const end = `${name} ${at} end`;
    return [jeq(at, undefined, end), ret(index), end];
  });
  return [random(), mod(count), ...jumps, ret(first)];
}
