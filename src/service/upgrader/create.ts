import { takeMarker } from './marker.ts';
import { checkUpgraderOptions, type UpgraderOptions } from './options.ts';
import { ParentLink } from './parent-link.ts';
import { PARTS } from './parts.ts';
import { originOfThisProcess } from './program.ts';
import { ServiceUpgrader, type Upgrader } from './upgrader.ts';

// Taken when the library is loaded: before the program starts child processes or changes its directory.
const marker = takeMarker();
const origin = originOfThisProcess();
let created = false;

/**
 * Creates the upgrader: it has the sockets of this process and replaces the process. Call it once in a process.
 * @throws TypeError for wrong options; an error if the process that started this one for an upgrade has exited or sends
 * invalid messages
 */
export async function createUpgrader(options: UpgraderOptions = {}): Promise<Upgrader> {
  checkUpgraderOptions(options);
  if (created) throw new Error('createUpgrader: this process has an upgrader already');
  created = true;
  const parent = marker === null ? null : await ParentLink.open(marker);
  return new ServiceUpgrader(options, origin, parent, PARTS);
}
