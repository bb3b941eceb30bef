import { closeSync, writeSync } from 'node:fs';
import { call, rawCall, tryCall } from './libc.ts';

/**
 * Returns freed memory to the system. Otherwise the C library keeps some megabytes (malloc_trim(3)). Takes a few
 * milliseconds.
 */
export function releaseFreedMemory(): void {
  rawCall('malloc_trim', 0);
}

const MFD_CLOEXEC = 0x1;
const MFD_NOEXEC_SEAL = 0x8;

/**
 * A close-on-exec descriptor of a file that exists only in memory, with this content and positioned at its beginning.
 * No path leads to the file. Only a process that has the descriptor, or may trace one that has, can read it. Throws
 * SystemError (EMFILE, ENFILE, ENOMEM) or Node's error.
 */
export function openMemoryFile(name: string, content: Buffer): number {
  // memfd_create(2): a kernel before 6.3 does not support MFD_NOEXEC_SEAL. A later one may refuse a file without it
  // (vm.memfd_noexec).
  const sealed = tryCall(['EINVAL'], 'memfd_create', name, MFD_CLOEXEC | MFD_NOEXEC_SEAL);
  const fd = sealed === 'EINVAL' ? call('memfd_create', name, MFD_CLOEXEC) : sealed;
  try {
    for (let at = 0; at < content.length; ) at += writeSync(fd, content, at, content.length - at, at);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}
