import { tellManagers } from '../ready/index.ts';
import { endCluster, preloadClusterWorkers } from './cluster.ts';
import { forgetSockets } from './environment.ts';
import { Servers } from './servers.ts';
import { onShutdown, stopsAsAsked } from './shutdown.ts';
import type { Specification } from './specification.ts';
import { Threads } from './threads.ts';

/**
 * Looks after a program that knows nothing of all this. As long as none of its servers takes a socket nothing is different from a process
 * that loaded no such module, its signals included.
 * @param url of what has to be loaded first in the workers of a cluster
 */
export function lookAfterProgram(specification: Specification, url: string): void {
  const { claims, signals, drainTimeout } = specification;
  const listening = new Set<number>();
  let taken = false;
  const onTaken = () => {
    if (taken) return;
    taken = true;
    forgetSockets(process.env);
    onShutdown(signals, async (signal, programStops) => {
      const parts = [servers.drain(drainTimeout), threads.drain(drainTimeout)];
      // A program that stops by itself has its own way with its workers.
      if (!programStops) parts.push(endCluster(signal, drainTimeout, () => servers.stopDistributing()));
      await Promise.all(parts);
    });
  };
  const onListening = (fd: number) => {
    listening.add(fd);
    if (taken && listening.size === claims.length) void tellManagers(undefined, stopsAsAsked(signals));
  };
  const servers = new Servers({ claims, onTaken, onListening });
  const threads = new Threads({ onTaken, onListening });
  servers.takePart();
  preloadClusterWorkers(specification, url);
}
