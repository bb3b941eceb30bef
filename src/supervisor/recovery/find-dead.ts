import { existsSync } from 'node:fs';
import path from 'node:path';
import { bootId, pidNamespace } from '../../linux/procfs.ts';
import { storedDescriptors } from '../../listeners/passed-sockets.ts';
import { now } from '../clock.ts';
import type { Instance } from '../instance.ts';
import { FIFO } from '../keeper/keeper-script.ts';
import { keeperSystem } from '../keeper/keeper-system.ts';
import { isManaged, type Restarted } from '../restarted.ts';
import type { Found } from './recovered.ts';

/**
 * Looks for the service of a dead supervisor of this instance, whose lock is held. Takes two calls where there is none:
 * a supervisor that stops its service removes both files.
 */
export async function findDead(
  instance: Pick<Instance, 'name' | 'runtimeDirectory'>,
  restarted: Restarted | null,
): Promise<Found> {
  const { runtimeDirectory } = instance;
  const exists = (name: string) => existsSync(path.join(runtimeDirectory, name));
  const stored = storedDescriptors(process.env, process.pid).map(({ fd }) => fd);
  if (!exists('state.json') && !exists(FIFO) && stored.length === 0) return { notes: [] };
  const { recoverInstance } = await import('./recover-instance.ts');
  const by = restarted !== null ? 'keeper' : isManaged(process.env) ? 'service_manager' : 'manual';
  return recoverInstance(
    { instance, by, stored },
    { ...keeperSystem, bootId: bootId(), pidNamespace: pidNamespace(), now },
  );
}
