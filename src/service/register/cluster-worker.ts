import type { Server } from 'node:net';
import { finishConnections } from '../drain/drain.ts';
import { watchServer } from '../drain/watch.ts';
import { fit, parsePlace, placeOf } from '../handed/place.ts';
import { DRAIN, DRAINED, type DrainMessage, within } from './cluster-messages.ts';
import { readListenCall, replaceListen } from './listen-arguments.ts';
import { ShutdownSignals } from './shutdown-signals.ts';
import { limitsOf, type Specification } from './specification.ts';

/**
 * In a worker of a cluster, whose primary has the socket: drains the connections that the primary passed to this
 * worker.
 */
export function lookAfterClusterWorker(specification: Specification): void {
  const { claims, signals } = specification;
  const shutdown = new ShutdownSignals(signals);
  const servers = new Set<Server>();
  const isHanded = (args: readonly unknown[]) => {
    const { wanted } = readListenCall(args);
    const place = wanted && placeOf(wanted);
    return claims.some(({ address }) => {
      const actual = address === null ? null : parsePlace(address);
      return place !== null && actual !== null && fit(place, actual) > 0;
    });
  };
  let draining = false;
  replaceListen((server, args, listen) => {
    if (isHanded(args)) {
      // The primary has closed the socket. This worker has only just started and will be asked to exit.
      if (draining) return server;
      watchServer(server);
      servers.add(server);
      shutdown.hold({ finish, onHandler: () => undefined });
    }
    return listen.apply(server, args);
  });
  process.on('internalMessage', (message: DrainMessage | { readonly cmd?: string }) => {
    if (message.cmd !== DRAIN) return;
    draining = true;
    const { timeoutMs, idleMs } = message as DrainMessage;
    void finishConnections([...servers], { timeoutMs, idleMs }).finally(() =>
      process.send?.({ cmd: DRAINED }),
    );
  });

  async function finish(_signal: string, programStops: boolean): Promise<void> {
    const limits = limitsOf(specification, programStops);
    await within(limits.holdMs, finishConnections([...servers], limits));
  }
}
