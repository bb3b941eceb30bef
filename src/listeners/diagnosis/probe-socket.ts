import { readFileSync } from 'node:fs';
import { tcpSocket } from '../../linux/sock_diag.ts';
import { peekConnection } from '../../linux/socket-state.ts';
import { bindSocket, closeFd, localAddress, openSocket, peerAddress } from '../../linux/sockets.ts';
import type { ConnectionState } from './probe.ts';
import type { InetSocketAddress } from './probe-host.ts';

/** A socket with an address and a port of its own, so that it can be steered before it connects. Throws SystemError. */
export function openProbeSocket(host: InetSocketAddress): { fd: number; local: InetSocketAddress } {
  const fd = openSocket(host.family, 'stream');
  try {
    bindSocket(fd, host);
    const local = localAddress(fd);
    if (local.family === 'unix') throw new TypeError('a TCP socket has no Unix address');
    return { fd, local };
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/** Over loopback the handshake is complete when connect(2) returns, unless the accept queue is full or a firewall drops it. */
export function isConnected(fd: number): boolean {
  try {
    peerAddress(fd);
    return true;
  } catch {
    return false;
  }
}

/**
 * Where the probe is: whether the service has accepted it, by the state of the service's end (`remote` to `local`).
 * connect(2) proves nothing, and the length of the accept queue does not tell whose connection is in it.
 * @param laneIsSound whether the lane is still the one that the probe was sent to
 */
export function probeState(
  fd: number,
  local: InetSocketAddress,
  remote: InetSocketAddress,
  laneIsSound: () => boolean,
): ConnectionState {
  const socket = tcpSocket(remote, local);
  switch (socket?.state) {
    case 'SYN_RECV':
    case 'NEW_SYN_RECV':
      return 'connecting';
    // The service's end is being closed while ours is open: a process accepted it and closed it.
    case 'FIN_WAIT1':
    case 'FIN_WAIT2':
    case 'CLOSING':
    case 'LAST_ACK':
    case 'TIME_WAIT':
      return 'accepted';
    case undefined:
    case 'LISTEN':
      return withoutPeer(fd, laneIsSound);
    default:
      return socket?.inode === 0 ? 'queued' : 'accepted';
  }
}

function withoutPeer(fd: number, laneIsSound: () => boolean): ConnectionState {
  switch (peekConnection(fd)) {
    // Only a process that accepted it can have sent or closed something.
    case 'readable':
    case 'ended':
      return 'accepted';
    case 'failed':
      // A queue that is still there resets nothing: the process that did had accepted the connection.
      return laneIsSound() && !resetsOnOverflow() ? 'accepted' : 'gone';
    case 'silent':
      return isConnected(fd) ? 'gone' : 'connecting';
  }
}

/** tcp(7): tcp_abort_on_overflow makes the kernel reset what finds the accept queue full. */
function resetsOnOverflow(): boolean {
  try {
    return readFileSync('/proc/sys/net/ipv4/tcp_abort_on_overflow', 'latin1').trim() !== '0';
  } catch {
    return false;
  }
}
