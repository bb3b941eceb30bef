import type { ListenerConfig } from '../config/schema.ts';
import { bindSocket, setOption } from '../linux/sockets.ts';
import type { OwnSockets } from './holders.ts';
import { openListener } from './open-socket.ts';
import { applyOptions } from './options.ts';
import type { InetTarget } from './resolve.ts';

/**
 * A bound UDP socket. Returns its descriptor; throws ListenerError.
 * Neither SO_REUSEADDR nor SO_REUSEPORT: either would let another program take part of the datagrams (socket(7)).
 */
export function openUdp(config: ListenerConfig, target: InetTarget, own: OwnSockets): number {
  return openListener(config, target.address, 'dgram', own, (fd) => {
    if (target.address.family === 'inet6') setOption(fd, 'ipv6_only', Number(target.ipv6Only));
    applyOptions(fd, config);
    bindSocket(fd, target.address);
  });
}
