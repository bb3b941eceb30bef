import { localAddress } from '../../linux/sockets.ts';
import type { ListenerSnapshot } from '../../listeners/listeners.ts';
import type { Places } from '../../workers/processes/connections.ts';

/**
 * The socket names that connections to Unix listeners have. A connection takes the name of the socket that accepted it,
 * and a lane has the name that it was bound under (unix_stream_connect, net/unix/af_unix.c).
 */
export function unixNames(listeners: readonly ListenerSnapshot[]): string[] {
  return listeners.flatMap(({ address, lanes }) => {
    if (address.family !== 'unix') return [];
    return lanes.length === 0 ? [address.path] : lanes.flatMap(({ fd }) => pathOf(fd));
  });
}

function pathOf(fd: number): string[] {
  const address = localAddress(fd);
  return address.family === 'unix' ? [address.path] : [];
}

/** The addresses where clients reach these listeners. */
export function placesOf(listeners: readonly ListenerSnapshot[]): Places {
  const addresses = listeners.flatMap(({ address }) => (address.family === 'unix' ? [] : [address]));
  return {
    ports: addresses.map(({ port }) => port),
    addresses,
    families: [...new Set(addresses.map(({ family }) => family))],
    names: unixNames(listeners),
  };
}
