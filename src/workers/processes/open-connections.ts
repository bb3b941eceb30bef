import type { InetAddress } from '../../linux/inet-diag.ts';
import { findBusyTcp } from '../../linux/tcp-accepted.ts';
import { type TcpActivity, tcpActivityOn } from '../../linux/tcp-activity.ts';
import { unixConnectionsAt, unixSocket } from '../../linux/unix-diag.ts';

/** The addresses at which connections arrive. */
export interface Places {
  readonly ports: readonly number[];
  /** Families of the TCP listeners. Default: both. */
  readonly families?: readonly InetAddress['family'][];
  /** Addresses of those listeners. Default: every address of the ports. */
  readonly addresses?: readonly InetAddress[];
  /** Unix stream sockets by the name given to bind(2), '@name' abstract. */
  readonly names: readonly string[];
}

/** An accepted connection of any process. */
export type OpenConnection = TcpActivity;

/**
 * All accepted connections at these places, in slices of well under a millisecond. A TCP connection is idle if no data
 * is queued in either direction and its last byte was sent, not received, at least a second ago. So a connection whose
 * client has sent no request yet is not idle. For a Unix connection the kernel reports no times, so none is idle.
 * Rejects with SystemError.
 * @param wanted whether a busy connection with this inode needs `isStillBusy`
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
 * Finds one of these connections that is not idle, in any process. If there is none, `open` is their number. Rejects
 * with SystemError.
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
