import type { ListenerConfig } from '../../config/schema.ts';
import { bindSocket, listenSocket, setOption } from '../../linux/sockets.ts';
import type { OwnSockets } from '../diagnosis/holders.ts';
import { openListener } from './open-socket.ts';
import { applyOptions } from './options.ts';
import type { InetTarget } from './resolve.ts';

/**
 * Opens a listening socket on a TCP address. Returns its descriptor. Throws ListenerError.
 *
 * The socket is bound without SO_REUSEPORT. So a port that another program holds fails with EADDRINUSE, even if that
 * program shares the port. SO_REUSEPORT is set between bind(2) and listen(2), where the socket joins or founds its
 * group (inet_hash, net/ipv4/inet_hashtables.c). Sockets of the same user that set it before their bind can then join.
 */
export function openTcp(config: ListenerConfig, target: InetTarget, own: OwnSockets): number {
  return openListener(config, target.address, 'stream', own, (fd) => {
    // Connections of an earlier run in TIME_WAIT must not block the port (socket(7)).
    setOption(fd, 'reuse_address', 1);
    if (target.address.family === 'inet6') setOption(fd, 'ipv6_only', Number(target.ipv6Only));
    applyOptions(fd, config);
    bindSocket(fd, target.address);
    setOption(fd, 'reuse_port', 1);
    listenSocket(fd, config.backlog);
  });
}

/**
 * Opens a bound UDP socket. Returns its descriptor. Throws ListenerError. Sets neither SO_REUSEADDR nor SO_REUSEPORT:
 * either would let another program receive part of the datagrams (socket(7)).
 */
export function openUdp(config: ListenerConfig, target: InetTarget, own: OwnSockets): number {
  return openListener(config, target.address, 'dgram', own, (fd) => {
    if (target.address.family === 'inet6') setOption(fd, 'ipv6_only', Number(target.ipv6Only));
    applyOptions(fd, config);
    bindSocket(fd, target.address);
  });
}
