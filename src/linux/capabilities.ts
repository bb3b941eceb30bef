import { readFileSync } from 'node:fs';
import { bind, callAbout } from './libc.ts';

// linux/prctl.h, linux/capability.h.
const PR_SET_KEEPCAPS = 8;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_RAISE = 2;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;
const CAPABILITY_VERSION_3 = 0x20080522;

/** Capabilities of a process, bit N for number N of linux/capability.h. */
export interface CapabilitySets {
  readonly inheritable: bigint;
  readonly permitted: bigint;
  readonly bounding: bigint;
}

/** The capabilities of this process. Null if /proc/self/status (proc(5)) does not show them. */
export function ownCapabilities(): CapabilitySets | null {
  let text: string;
  try {
    text = readFileSync('/proc/self/status', 'latin1');
  } catch {
    return null;
  }
  const set = (name: string) => {
    const [, digits] = new RegExp(`^Cap${name}:\\s*([0-9a-f]+)$`, 'm').exec(text) ?? [];
    return digits === undefined ? null : BigInt(`0x${digits}`);
  };
  const [inheritable, permitted, bounding] = [set('Inh'), set('Prm'), set('Bnd')];
  if (inheritable === null || permitted === null || bounding === null) return null;
  return { inheritable, permitted, bounding };
}

/** Loads the functions that the other functions of this module call, so that they need very little memory later. */
export function prepareCapabilities(): void {
  bind('prctl');
  bind('capset');
}

/** Makes this thread keep its permitted capabilities when it changes its user, until execve(2). Throws SystemError. */
export function keepCapabilities(): void {
  callAbout('PR_SET_KEEPCAPS', 'prctl', PR_SET_KEEPCAPS, 1, 0, 0, 0);
}

/**
 * Makes these the permitted, effective, inheritable and ambient capabilities of this thread. A program without
 * privileges of its own that it executes then has exactly these (capabilities(7)). Throws SystemError EPERM for one
 * that is not permitted, or not in the bounding set.
 * @param numbers as in linux/capability.h
 */
export function setCapabilities(numbers: readonly number[]): void {
  const mask = numbers.reduce((sum, number) => sum | (1n << BigInt(number)), 0n);
  const header = Buffer.alloc(8);
  header.writeUInt32LE(CAPABILITY_VERSION_3, 0);
  // Two blocks, each with 32 bits of effective, permitted and inheritable (capget(2)).
  const data = Buffer.alloc(24);
  for (const block of [0, 1]) {
    const bits = Number((mask >> BigInt(32 * block)) & 0xffffffffn);
    for (const set of [0, 1, 2]) data.writeUInt32LE(bits, block * 12 + set * 4);
  }
  callAbout('capabilities', 'capset', header, data);
  callAbout('PR_CAP_AMBIENT_CLEAR_ALL', 'prctl', PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (const number of numbers)
    callAbout('PR_CAP_AMBIENT_RAISE', 'prctl', PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0);
}

/**
 * Prevents programs that this thread executes from gaining privileges (prctl(2), PR_SET_NO_NEW_PRIVS). Throws
 * SystemError.
 */
export function forbidNewPrivileges(): void {
  callAbout('PR_SET_NO_NEW_PRIVS', 'prctl', PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}
