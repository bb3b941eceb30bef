import { errnoNumber, SystemError } from './errors.ts';
import { lastErrno, rawCall } from './libc.ts';

const SOL_SOCKET = 1;
const SO_PEERGROUPS = 59;

/**
 * SO_PEERGROUPS: the supplementary groups of the peer of a Unix stream when it connected
 * (include/uapi/asm-generic/socket.h, Linux 4.13). They do not always include the primary group: see `peerCredentials`.
 * Throws SystemError.
 */
export function peerGroups(fd: number): number[] {
  for (let capacity = 64; ; ) {
    const groups = Buffer.alloc(capacity * 4);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(groups.length);
    const result = rawCall('getsockopt', fd, SOL_SOCKET, SO_PEERGROUPS, groups, length);
    const bytes = length.readUInt32LE(0);
    if (result !== -1) return Array.from({ length: bytes / 4 }, (_, index) => groups.readUInt32LE(index * 4));
    const errno = lastErrno();
    // With ERANGE the kernel returns the needed size (sk_getsockopt, net/core/sock.c).
    if (errno !== errnoNumber('ERANGE') || bytes <= groups.length)
      throw new SystemError('getsockopt', errno, 'peer groups');
    capacity = bytes / 4;
  }
}
