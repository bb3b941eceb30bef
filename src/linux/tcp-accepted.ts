import { dumpTcpSockets, type InetAddress, type TcpState } from './inet-diag.ts';
import { inet4Bytes, inet6Bytes } from './sockaddr.ts';

const STATES: readonly TcpState[] = [
  'ESTABLISHED',
  'FIN_WAIT1',
  'FIN_WAIT2',
  'CLOSE_WAIT',
  'LAST_ACK',
  'CLOSING',
];
// struct inet_diag_msg of linux/inet_diag.h: the family, the local address, the inode.
const FAMILY = 0;
const LOCAL = 8;
const INODE = 68;
const AF_INET = 2;
const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '::', '']);

/**
 * The inodes of the connections to that address that were accepted and not closed, in slices of well under a millisecond; the kernel's work is
 * done on another thread. Rejects with SystemError.
 */
export async function* acceptedTcp(address: InetAddress): AsyncGenerator<number[], void, void> {
  const isLocal = matcher(address);
  for await (const messages of dumpTcpSockets(address.port, STATES)) {
    const inodes: number[] = [];
    for (const bytes of messages) {
      const inode = bytes.readUInt32LE(INODE);
      // Before accept and after close there is no file.
      if (inode !== 0 && isLocal(bytes)) inodes.push(inode);
    }
    yield inodes;
  }
}

/** A dump is filtered by port alone; another program may have the same port on another address. */
function matcher({ family, host }: InetAddress): (message: Buffer) => boolean {
  if (WILDCARDS.has(host)) return () => true;
  const wanted = family === 'inet' ? inet4Bytes(host) : inet6Bytes(host.split('%')[0] ?? '');
  const isInet = family === 'inet';
  return (message) =>
    (message[FAMILY] === AF_INET) === isInet &&
    message.compare(wanted, 0, wanted.length, LOCAL, LOCAL + wanted.length) === 0;
}
