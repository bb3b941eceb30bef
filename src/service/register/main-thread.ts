import { tellManagers, withdrawDrains } from '../ready/index.ts';
import { drainCluster, endCluster, preloadClusterWorkers } from './cluster.ts';
import { within } from './cluster-messages.ts';
import { forgetSockets } from './node-options.ts';
import { Servers } from './servers.ts';
import { ShutdownSignals } from './shutdown-signals.ts';
import { limitsOf, type Specification } from './specification.ts';
import { Threads } from './threads.ts';

/**
 * Prepares an unchanged program. As long as none of its servers takes a passed socket, the program runs as without this
 * module, including its signals.
 * @param path of the module that the workers of a cluster must load first
 */
export function lookAfterProgram(specification: Specification, path: string): void {
  const { claims, signals } = specification;
  const listening = new Set<number>();
  const shutdown = new ShutdownSignals(signals);
  let announced: Promise<void> | null = null;
  let taken = false;

  const onTaken = () => {
    if (taken) return;
    taken = true;
    forgetSockets(process.env);
    shutdown.hold({ finish, onHandler });
  };

  const onListening = (fd: number) => {
    listening.add(fd);
    if (!taken || announced !== null || listening.size < claims.length) return;
    const drains = !shutdown.programStops;
    announced = tellManagers(undefined, drains);
  };

  // It is unknown whether this program finishes its connections on the signal, so zero waits for them before it sends
  // the signal.
  const onHandler = () => {
    const before = announced;
    if (before !== null) announced = before.then(withdrawDrains);
  };

  async function finish(signal: string, programStops: boolean): Promise<void> {
    const limits = limitsOf(specification, programStops);
    const ended = performance.now() + limits.timeoutMs;
    const done = Promise.all([
      servers.drain(limits),
      threads.drain(limits),
      drainCluster(limits, () => servers.stopDistributing()),
    ]);
    await within(limits.holdMs, done);
    // A program that handles its own shutdown also manages its own workers.
    if (!programStops) await endCluster(signal, ended - performance.now());
  }

  const servers = new Servers({ claims, onTaken, onListening });
  const threads = new Threads({ onTaken, onListening });
  servers.takePart();
  preloadClusterWorkers(specification, path);
}
