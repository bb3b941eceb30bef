import type { InetAddress } from '../../linux/inet-diag.ts';
import { findBusyTcp } from '../../linux/tcp-accepted.ts';
import { type TcpActivity, tcpActivityOn } from '../../linux/tcp-activity.ts';
import { unixConnectionsAt, unixSocket } from '../../linux/unix-diag.ts';

/** Where connections come in. */
export interface Places {
  readonly ports: readonly number[];
  /** Those of the TCP listeners; left out: both. */
  readonly families?: readonly InetAddress['family'][];
  /** Of those listeners; left out: every address of the ports. */
  readonly addresses?: readonly InetAddress[];
  /** Unix stream sockets by the name they were bound under, '@name' abstract. */
  readonly names: readonly string[];
}

/** An accepted connection of any process. */
export type OpenConnection = TcpActivity;

/**
 * All accepted connections at these places, in slices of well under a millisecond. A TCP connection is idle when nothing
 * is queued either way and the last byte was sent, not received, at least a second ago: one whose client has not asked yet is not. Of a
 * Unix connection the kernel does not tell when data came or went, so none is. Rejects with SystemError.
 * @param wanted whether the one with this inode, when it is not idle, shall have `isStillBusy`
 */
export async function* openConnections(
  { ports, families, names }: Places,
  wanted: (inode: number) => boolean,
): AsyncGenerator<readonly OpenConnection[], void, void> {
  yield* tcpActivityOn(new Set(ports), wanted, families);
  if (names.length === 0) return;
  for await (const some of unixConnectionsAt(new Set(names))) {
    yield some.map(({ inode }) => ({
      inode,
      idle: false,
      idleFor: 0,
      isStillBusy: wanted(inode) ? () => unixSocket(inode) !== null : null,
    }));
  }
}

/**
 * Whether one of these connections is not idle, in any process. Without one, `open` is how many there are. Rejects with
 * SystemError.
 */
export async function findBusy({
  names,
  ...places
}: Places): Promise<{ readonly isBusy: boolean; readonly open: number }> {
  if (names.length > 0) {
    for await (const some of unixConnectionsAt(new Set(names)))
      if (some.length > 0) return { isBusy: true, open: some.length };
  }
  return findBusyTcp(places.addresses ?? everyAddressOf(places));
}

function everyAddressOf({ ports, families = ['inet', 'inet6'] }: Pick<Places, 'ports' | 'families'>) {
  return families.flatMap((family) => ports.map((port) => ({ family, host: '', port })));
}
