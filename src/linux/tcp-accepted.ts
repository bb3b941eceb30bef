import { CONNECTION_STATES, type InetAddress, walkTcpSockets } from './inet-diag.ts';
import { inet4Bytes, inet6Bytes } from './sockaddr.ts';

// struct inet_diag_msg of linux/inet_diag.h: the local address, the inode.
const LOCAL = 8;
const INODE = 68;
const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::', '']);

/**
 * The inodes of the connections to a listener's address that were accepted and not closed, in slices of well under a millisecond; the kernel's work
 * is done on another thread. Rejects with SystemError.
 */
export async function* acceptedTcp({
  family,
  host,
  port,
}: InetAddress): AsyncGenerator<number[], void, void> {
  // A dump is filtered by port alone; another program may have the same port on another address.
  const local = WILDCARDS.has(host) ? null : localBytes(family, host);
  // A connection is of its listener's family, one by IPv4 to a dual-stack listener as well.
  for await (const { bytes, payloads } of walkTcpSockets(family, port, CONNECTION_STATES)) {
    const inodes: number[] = [];
    for (let index = 0; index < payloads.length; index += 2) {
      const start = payloads[index] ?? 0;
      const inode = bytes.readUInt32LE(start + INODE);
      // Before accept and after close there is no file.
      if (inode === 0) continue;
      const isLocal =
        local === null ||
        bytes.compare(local, 0, local.length, start + LOCAL, start + LOCAL + local.length) === 0;
      if (isLocal) inodes.push(inode);
    }
    yield inodes;
  }
}

function localBytes(family: InetAddress['family'], host: string): Buffer {
  return family === 'inet' ? inet4Bytes(host) : inet6Bytes(host.split('%')[0] ?? '');
}
