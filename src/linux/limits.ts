import { callAbout } from './libc.ts';

// The numbers of getrlimit(2) on x86-64 and AArch64 (asm-generic/resource.h).
const RESOURCES = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  as: 9,
  locks: 10,
  sigpending: 11,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
  rttime: 15,
} as const;

/** The name of a limit, in lower case and without RLIMIT_. */
export type ResourceName = keyof typeof RESOURCES;

/** Bytes, seconds, descriptors: each resource has its own unit. */
export interface ResourceLimit {
  readonly soft: number | 'unlimited';
  readonly hard: number | 'unlimited';
}

const RLIM64_INFINITY = 2n ** 64n - 1n;

/**
 * Sets a limit of this process. Throws SystemError: EPERM if a hard limit is raised without CAP_SYS_RESOURCE, EINVAL.
 */
export function setLimit(name: ResourceName, { soft, hard }: ResourceLimit): void {
  const limit = Buffer.alloc(16);
  limit.writeBigUInt64LE(encode(soft), 0);
  limit.writeBigUInt64LE(encode(hard), 8);
  callAbout(name, 'setrlimit', RESOURCES[name], limit);
}

/**
 * The descriptor limit of this process, which its children inherit. Node raises its soft limit to the hard one at its
 * start (PlatformInit, src/node.cc). Works even if no descriptor is free. Throws SystemError.
 */
export function descriptorLimit(): ResourceLimit {
  const limit = Buffer.alloc(16);
  callAbout('nofile', 'getrlimit', RESOURCES.nofile, limit);
  return { soft: decode(limit.readBigUInt64LE(0)), hard: decode(limit.readBigUInt64LE(8)) };
}

function encode(value: number | 'unlimited'): bigint {
  return value === 'unlimited' ? RLIM64_INFINITY : BigInt(value);
}

function decode(value: bigint): number | 'unlimited' {
  return value === RLIM64_INFINITY ? 'unlimited' : Number(value);
}
