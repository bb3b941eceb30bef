import type { ListenerConfig } from '../../config/schema.ts';
import { assemble, attachReuseport, ret } from '../../linux/bpf.ts';
import { canDiagnoseTcp } from '../../linux/sock_diag.ts';
import {
  bindSocket,
  closeFd,
  getOption,
  listenSocket,
  localAddress,
  setOption,
} from '../../linux/sockets.ts';
import { openListener } from '../binding/open-socket.ts';
import { applyOptions } from '../binding/options.ts';
import type { InetTarget } from '../binding/resolve.ts';
import type { OwnSockets } from '../diagnosis/holders.ts';
import { ListenerError, nameAddress } from '../listener-error.ts';

/** The kernel, or what sandboxes it, does not do what steering needs: the listener can only be shared. */
export class CannotSteerError extends ListenerError {}

/**
 * A bound socket that keeps the port while the first lane is made, and listens never; its address has the port that the kernel chose.
 * It is bound without SO_REUSEPORT, so that a port that anybody else holds, sharing it or not, is EADDRINUSE instead of a silent partner.
 * Every lane then names the port in its bind(2): one that was bound to port 0 would lose its port with shutdown(2), because only a port
 * that was asked for is kept (SOCK_BINDPORT_LOCK, tcp_disconnect in net/ipv4/tcp.c). Throws ListenerError.
 */
export function reservePort(
  config: ListenerConfig,
  target: InetTarget,
  own: OwnSockets,
): { fd: number; target: InetTarget } {
  const fd = openListener(config, target.address, 'stream', own, (socket) => {
    prepare(socket, config, target);
    bindSocket(socket, target.address);
    setOption(socket, 'reuse_port', 1);
  });
  const address = localAddress(fd);
  if (address.family !== 'unix')
    return { fd, target: { ...target, address: { ...target.address, port: address.port } } };
  closeFd(fd);
  throw new TypeError('a TCP socket has no Unix address');
}

/**
 * How a lane joins its group. `first`: there is no group yet. `later`: to a group whose program may send connections to
 * it, so that it takes no packet; a program that is attached before listen(2) would be refused (reuseport_add_sock).
 */
export type LaneKind = 'first' | 'later';

/**
 * A listening socket of the group, the last of it (reuseport_add_sock, net/core/sock_reuseport.c). The first one has a program before it
 * listens, which the others find there: no connection strays. Throws ListenerError, CannotSteerError for a first one.
 * @param owner the user of the group; null: this process's
 */
export function openLane(
  config: ListenerConfig,
  target: InetTarget,
  own: OwnSockets,
  as: LaneKind,
  owner: number | null = null,
): number {
  const steps = (fd: number) => {
    prepare(fd, config, target);
    setOption(fd, 'reuse_port', 1);
    bindSocket(fd, target.address);
    if (as === 'first') attachFirst(fd, config);
    if (as === 'later') admitPackets(fd, target, false);
    setSeal(fd);
    listenSocket(fd, config.backlog);
  };
  return openListener(config, target.address, 'stream', own, steps, owner);
}

/**
 * Whether a listening socket takes packets. While it does not, the kernel drops the SYN of a client, which sends it
 * again after a second. The last packet of a handshake in progress is not dropped (tcp_v4_rcv, net/ipv4/tcp_ipv4.c),
 * but its connection has the option, too. The option compares the TTL (IP_MINTTL in ip(7), IPV6_MINHOPCOUNT): senders
 * begin with 64 or 128, and the socket requires 255. A socket filter would need CAP_NET_ADMIN on some machines.
 */
export function admitPackets(fd: number, { address }: InetTarget, admit: boolean): void {
  const least = admit ? 0 : 255;
  setOption(fd, 'min_ttl', least);
  if (address.family === 'inet6') setOption(fd, 'min_hop_count', least);
}

function prepare(fd: number, config: ListenerConfig, target: InetTarget): void {
  // Connections of an earlier run that are in TIME_WAIT must not keep the port (socket(7)).
  setOption(fd, 'reuse_address', 1);
  if (target.address.family === 'inet6') setOption(fd, 'ipv6_only', Number(target.ipv6Only));
  // A lane defers only when its worker is ready: a probe sends nothing, and would never reach it.
  applyOptions(fd, config, ['defer_accept']);
}

function attachFirst(fd: number, config: ListenerConfig): void {
  if (!canDiagnoseTcp()) {
    const message = `steer ${nameAddress(config)}: this kernel, or a sandbox, does not report sockets (sock_diag)`;
    throw new CannotSteerError(config.name, message);
  }
  try {
    attachReuseport(fd, assemble([ret(0)]));
  } catch (error) {
    throw new CannotSteerError(config.name, `steer ${nameAddress(config)}: ${String(error)}`, error);
  }
}

/**
 * What a lane has as long as nobody shut it down: tcp_disconnect (net/ipv4/tcp.c), which shutdown(2) of a listening socket comes to, sets
 * the window clamp back to 0. The value is the one that the kernel takes for 0 when a connection comes in, the largest window that there is
 * (tcp_select_initial_window, net/ipv4/tcp_output.c), so that it changes nothing.
 */
const SEAL = 65535 << 14;

export function setSeal(fd: number): void {
  setOption(fd, 'window_clamp', SEAL);
}

export function isSealed(fd: number): boolean {
  return getOption(fd, 'window_clamp') === SEAL;
}

/** Whether the lane can be given a connection, and nobody has shut it down. */
export function isSound(fd: number): boolean {
  return isListening(fd) && isSealed(fd);
}

export function isListening(fd: number): boolean {
  return getOption(fd, 'accept_connections') === 1;
}
