import { endConnection } from '../../linux/end-connection.ts';
import { hasBindAddressNoPort } from '../../linux/sock_diag.ts';
import { acceptQueue } from '../../linux/socket-state.ts';
import {
  acceptSocket,
  closeFd,
  connectSocket,
  getOption,
  resetOnClose,
  setOption,
  shutdownSending,
} from '../../linux/sockets.ts';
import type { InetSocketAddress } from '../diagnosis/probe-host.ts';
import { isConnected, openProbeSocket } from '../diagnosis/probe-socket.ts';
import type { ProbeRoute } from './steering-program.ts';

interface OpenLane {
  readonly fd: number;
  readonly inode: number;
}

export interface ProofTarget {
  readonly host: InetSocketAddress;
  readonly remote: InetSocketAddress;
  readonly lane: OpenLane;
  /** Lanes that were never steered to nor given away. Test connections are removed from their queues. */
  readonly free: readonly OpenLane[];
  /** Attaches the program with one more route; null: without one. */
  readonly steer: (route: ProbeRoute | null) => void;
  /** Takes over a connection that reached the lane and may stay in its queue. */
  readonly retire: (fd: number, local: InetSocketAddress) => void;
}

/**
 * Finds the index of a lane with test connections that are steered to one index after another, the expected one first.
 * Takes 0.2 ms if that is right. A lane is identified by an option that has no effect on an accepted connection and
 * that the connection inherits from its lane. So it does not matter which process accepts the connection, or whether
 * one does. Workers see an empty connection. Null: the lane is at none of the indices. `unknown`: no local connection
 * comes through (a firewall, a full queue), or the kernel does not report the option. Throws SystemError.
 */
export function findIndex(
  target: ProofTarget,
  thought: number | null,
  size: number,
): number | 'unknown' | null {
  const others = Array.from({ length: size }, (_, index) => index).filter((index) => index !== thought);
  const { fd } = target.lane;
  // A connection without data stays in SYN_RECV, which does not show the option of a lane with TCP_DEFER_ACCEPT.
  const deferred = getOption(fd, 'defer_accept');
  if (deferred !== 0) setOption(fd, 'defer_accept', 0);
  setOption(fd, 'bind_address_no_port', 1);
  try {
    for (const index of thought === null ? others : [thought, ...others]) {
      const reached = reaches(target, index);
      if (reached === null) return 'unknown';
      if (reached) return index;
    }
    return null;
  } finally {
    setOption(fd, 'bind_address_no_port', 0);
    if (deferred !== 0) setOption(fd, 'defer_accept', deferred);
    target.steer(null);
  }
}

function reaches({ host, remote, lane, free, steer, retire }: ProofTarget, index: number): boolean | null {
  const { fd, local } = openProbeSocket(host);
  let reached: boolean | null = null;
  try {
    steer({ family: local.family, host: local.host, port: local.port, index });
    connectSocket(fd, remote);
    if (isConnected(fd)) reached = hasBindAddressNoPort(remote, local);
    return reached;
  } finally {
    let isTaken = false;
    try {
      const places = reached === true ? free.filter(({ inode }) => inode === lane.inode) : free;
      for (const place of places) isTaken = takeOut(place, local.port) || isTaken;
    } finally {
      if (isTaken) closeFd(fd);
      else {
        // The side that closes first keeps the connection in TIME_WAIT. That must not be the port of the service.
        shutdownSending(fd);
        // Which lane another connection reached is unknown, so it counts as a client's until it is accepted.
        if (reached === true) retire(fd, local);
        else endConnection(fd);
      }
    }
  }
}

/**
 * Nothing else is steered to a free lane, so a queue of one contains the probe. Returns whether the probe was there,
 * and resets it: for a connection within this process neither end needs TIME_WAIT, which would hold a port for a
 * minute.
 */
function takeOut(lane: OpenLane, port: number): boolean {
  if (acceptQueue(lane.fd) !== 1) return false;
  const accepted = acceptSocket(lane.fd);
  if (accepted === null) return false;
  const isForeign = accepted.peer.family !== 'unix' && accepted.peer.port !== port;
  if (!isForeign) resetOnClose(accepted.fd);
  closeFd(accepted.fd);
  if (!isForeign) return true;
  throw new Error('a connection of a client was in a lane that nothing is steered to');
}
