import { readFileSync } from 'node:fs';
import { inspect } from './descriptors.ts';
import type { Platform } from './platform.ts';

/** /proc, and the FFI package for datagrams. */
export const LINUX: Platform = {
  async sendDatagram(path, text) {
    // Node has no Unix datagram sockets. Nothing else in a service that does not listen twice loads the FFI package.
    const { sendDatagram } = await import('../../linux/datagrams.ts');
    sendDatagram(path, text);
  },
  inspect,
  commandLine: () => read('/proc/self/cmdline')?.split('\0').slice(0, -1) ?? null,
  controlGroup: () => read('/proc/self/cgroup') ?? '',
};

/** Null where /proc is not mounted, or may not be read. */
function read(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}
