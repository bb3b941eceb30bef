import { fstatSync } from 'node:fs';
import { LINUX } from './linux.ts';
import type { Inspected, Platform } from './platform.ts';

/** Plain Node, for all POSIX systems. */
const PORTABLE: Platform = {
  sendDatagram: () => Promise.reject(new Error('datagrams to Unix sockets need Linux')),
  inspect,
  commandLine: () => null,
  controlGroup: () => '',
};

function inspect(fd: number): Inspected {
  try {
    if (!fstatSync(fd).isSocket()) return { problem: 'is not a socket' };
  } catch {
    return { problem: 'is not open in this process' };
  }
  return { socket: { type: null, place: null } };
}

/** The implementation for this system. `ZERODOWN_PLATFORM=portable` selects the portable one on Linux, for tests. */
export const platform: Platform =
  process.platform === 'linux' && process.env.ZERODOWN_PLATFORM !== 'portable' ? LINUX : PORTABLE;
