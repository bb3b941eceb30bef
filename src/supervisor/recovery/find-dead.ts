import { existsSync } from 'node:fs';
import path from 'node:path';
import { now } from '../../common/clock.ts';
import type { RecoveredBy } from '../../lifecycle/facts.ts';
import { bootId, pidNamespace } from '../../linux/procfs.ts';
import { storedDescriptors } from '../../listeners/binding/passed-sockets.ts';
import type { Instance } from '../instance/instance.ts';
import { findKeepers } from '../keeper/find-keepers.ts';
import { FIFO } from '../keeper/keeper-script.ts';
import { keeperSystem } from '../keeper/keeper-system.ts';
import { isManaged, type Restarted } from '../start/restarted.ts';
import type { Handed } from '../upgrade/handed.ts';
import type { Found } from './recovered.ts';

export interface Start {
  readonly restarted: Restarted | null;
  readonly handed: Handed | null;
  /**
   * The runtime directory is new, although the instance has run before. It was deleted, at a reboot or while a service
   * ran, so no file can show a dead supervisor.
   */
  readonly wasDeleted: boolean;
}

/**
 * Searches for the service of a dead supervisor of this instance, whose lock this process has. Takes two system calls
 * if there is none: a supervisor that stops its service removes both files.
 */
export async function findDead(
  instance: Pick<Instance, 'name' | 'runtimeDirectory'>,
  { restarted, handed, wasDeleted }: Start,
): Promise<Found> {
  const { runtimeDirectory } = instance;
  const exists = (name: string) => existsSync(path.join(runtimeDirectory, name));
  // The program before an upgrade has already taken them.
  const stored = handed === null ? storedDescriptors(process.env, process.pid).map(({ fd }) => fd) : [];
  // A keeper has the state in memory. Searching for one reads every process of the machine.
  const isKept = () =>
    restarted !== null || (wasDeleted && findKeepers(runtimeDirectory, keeperSystem).keepers.length > 0);
  const isLeft = exists('state.json') || exists(FIFO) || stored.length > 0 || isKept();
  if (!isLeft) return { notes: [] };
  const { recoverInstance } = await import('./recover-instance.ts');
  return recoverInstance(
    { instance, by: startedBy(restarted, handed), stored, handed },
    { ...keeperSystem, bootId: bootId(), pidNamespace: pidNamespace(), now },
  );
}

function startedBy(restarted: Restarted | null, handed: Handed | null): RecoveredBy {
  if (handed !== null) return 'upgrade';
  if (restarted !== null) return 'keeper';
  return isManaged(process.env) ? 'service_manager' : 'manual';
}
