import type { Server } from 'node:net';
import { drain, watchServer } from '../drain/index.ts';
import { fit, parsePlace, placeOf } from '../handed/place.ts';
import { readListenCall } from './listen-arguments.ts';
import { replaceListen } from './replace-listen.ts';
import { onShutdown } from './shutdown.ts';
import type { Specification } from './specification.ts';

/** In a worker of a cluster, whose primary has the socket: it drains the connections that it was given. */
export function lookAfterClusterWorker({ claims, signals, drainTimeout }: Specification): void {
  const servers = new Set<Server>();
  const isHanded = (args: readonly unknown[]) => {
    const { wanted } = readListenCall(args);
    const place = wanted && placeOf(wanted);
    return claims.some(({ address }) => {
      const actual = address === null ? null : parsePlace(address);
      return place !== null && actual !== null && fit(place, actual) > 0;
    });
  };
  replaceListen((server, args, listen) => {
    if (isHanded(args)) {
      watchServer(server);
      if (servers.size === 0)
        onShutdown(signals, async () => void (await drain([...servers], { timeoutMs: drainTimeout })));
      servers.add(server);
    }
    return listen.apply(server, args);
  });
}
