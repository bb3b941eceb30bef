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

/** The kernel or a sandbox does not support what steering needs. The listener can only be shared. */
export class CannotSteerError extends ListenerError {}

/**
 * Opens a bound socket that holds the port while the first lane is created, and never listens. Its address has the port
 * that the kernel chose. It is bound without SO_REUSEPORT. So a port that another program holds fails with EADDRINUSE,
 * even if that program shares the port. Every lane then names the port in its bind(2): a lane that was bound to port 0
 * would lose its port with shutdown(2), because the kernel keeps only an explicitly requested port (SOCK_BINDPORT_LOCK,
 * tcp_disconnect in net/ipv4/tcp.c). Throws ListenerError.
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
 * How a lane joins its group. `first`: no group exists yet. `later`: the program of the group may send connections to
 * the lane, so it accepts no packets. A program that is attached before listen(2) would be refused
 * (reuseport_add_sock).
 */
export type LaneKind = 'first' | 'later';

/**
 * Opens a listening socket as the last of the group (reuseport_add_sock, net/core/sock_reuseport.c). The first one has
 * a program before it listens, and the others join under it, so no connection goes to a wrong lane. Throws
 * ListenerError; CannotSteerError for a first one.
 * @param owner the user of the group; null: this process's user
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
 * Sets whether a listening socket accepts packets. While it does not, the kernel drops the SYN of a client, which
 * resends it after a second. The last packet of a handshake in progress is not dropped (tcp_v4_rcv,
 * net/ipv4/tcp_ipv4.c), but its connection inherits the option. The option compares the TTL (IP_MINTTL in ip(7),
 * IPV6_MINHOPCOUNT): senders start with 64 or 128, and the socket requires 255. A socket filter would need
 * CAP_NET_ADMIN on some machines.
 */
export function admitPackets(fd: number, { address }: InetTarget, admit: boolean): void {
  const least = admit ? 0 : 255;
  setOption(fd, 'min_ttl', least);
  if (address.family === 'inet6') setOption(fd, 'min_hop_count', least);
}

function prepare(fd: number, config: ListenerConfig, target: InetTarget): void {
  // Connections of an earlier run in TIME_WAIT must not block the port (socket(7)).
  setOption(fd, 'reuse_address', 1);
  if (target.address.family === 'inet6') setOption(fd, 'ipv6_only', Number(target.ipv6Only));
  // A lane gets defer_accept only when its worker is ready: a probe sends no data and would never reach the worker.
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
 * The seal marks a lane that was never shut down: shutdown(2) of a listening socket calls tcp_disconnect
 * (net/ipv4/tcp.c), which resets the window clamp to 0. The seal is the value that the kernel uses for 0 when a
 * connection comes in, the largest possible window (tcp_select_initial_window, net/ipv4/tcp_output.c). So it changes
 * nothing.
 */
const SEAL = 65535 << 14;

export function setSeal(fd: number): void {
  setOption(fd, 'window_clamp', SEAL);
}

export function isSealed(fd: number): boolean {
  return getOption(fd, 'window_clamp') === SEAL;
}

/** Whether the lane can receive connections and was never shut down. */
export function isSound(fd: number): boolean {
  return isListening(fd) && isSealed(fd);
}

export function isListening(fd: number): boolean {
  return getOption(fd, 'accept_connections') === 1;
}
