import { kernelSetting } from '../../linux/procfs.ts';
import { tcpSocket } from '../../linux/sock_diag.ts';
import { peekConnection } from '../../linux/socket-state.ts';
import { bindSocket, closeFd, localAddress, openSocket, peerAddress } from '../../linux/sockets.ts';
import type { ConnectionState } from './probe.ts';
import type { InetSocketAddress } from './probe-host.ts';

/** Opens a socket with its own address and port, so that it can be steered before it connects. Throws SystemError. */
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

/**
 * Over loopback, the handshake is complete when connect(2) returns, unless the accept queue is full or a firewall drops
 * packets.
 */
export function isConnected(fd: number): boolean {
  try {
    peerAddress(fd);
    return true;
  } catch {
    return false;
  }
}

/**
 * State of the probe: whether the service has accepted it, derived from the state of the service's end (`remote` to
 * `local`). A successful connect(2) proves nothing, and the length of the accept queue does not show whose connections
 * are in it.
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
    // The service's end is closing while ours is open: a process accepted the probe and closed it.
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

/** The inode of the service's end of a probe; 0: no process has it. */
export function acceptedInode(local: InetSocketAddress, remote: InetSocketAddress): number {
  const socket = tcpSocket(remote, local);
  // Without the connection, the kernel reports the listening socket (inet_diag_find_one_icsk, net/ipv4/inet_diag.c).
  return socket === null || socket.state === 'LISTEN' ? 0 : socket.inode;
}

function withoutPeer(fd: number, laneIsSound: () => boolean): ConnectionState {
  switch (peekConnection(fd)) {
    // Only a process that accepted the probe can have sent data or closed it.
    case 'readable':
    case 'ended':
      return 'accepted';
    case 'failed':
      // A queue that still exists resets nothing: the process that reset the probe had accepted it.
      return laneIsSound() && !resetsOnOverflow() ? 'accepted' : 'gone';
    case 'silent':
      return isConnected(fd) ? 'gone' : 'connecting';
  }
}

/** tcp(7): with tcp_abort_on_overflow the kernel resets connections that find the accept queue full. */
function resetsOnOverflow(): boolean {
  return (kernelSetting('net.ipv4.tcp_abort_on_overflow') ?? '0') !== '0';
}
