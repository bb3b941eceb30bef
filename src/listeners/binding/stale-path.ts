import type { Stats } from 'node:fs';
import { errorCode, isSystemFailure } from '../../common/errors.ts';
import type { ListenerConfig } from '../../config/schema.ts';
import { clearStale } from '../../linux/bound-file.ts';
import { describeHolder, type Holder, type OwnSockets, pathHolder } from '../diagnosis/holders.ts';
import { ListenerError, nameAddress } from '../listener-error.ts';

/**
 * Frees `path` for a new socket: removes the file of a socket that no process holds. Refuses a socket that a process
 * holds, and any other kind of file. Throws ListenerError, and the error of lstat(2) for a directory that cannot be
 * searched.
 */
export function clearStalePath(config: ListenerConfig, path: string, own: OwnSockets): void {
  try {
    const occupied = clearStale(path);
    if (occupied === null) return;
    const { stats, isHeld } = occupied;
    if (!isHeld) throw refusal(config, `a ${kindOf(stats)} exists there. Remove it or choose another path`);
    const holder = pathHolder(path, stats);
    const isForeign = own(holder.inode) === null;
    const why = `the path is held ${describeHolder(holder, own)}`;
    throw refusal(config, why, undefined, isForeign ? holder : null);
  } catch (error) {
    if (error instanceof ListenerError || (isSystemFailure(error) && error.syscall === 'lstat')) throw error;
    const code = errorCode(error) ?? String(error);
    const why = `${code}: cannot check or remove the existing socket. Remove it manually`;
    throw refusal(config, why, error);
  }
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'directory';
  return stats.isSymbolicLink() ? 'symbolic link' : 'file that is not a socket';
}

function refusal(
  config: ListenerConfig,
  why: string,
  cause?: unknown,
  holder: Holder | null = null,
): ListenerError {
  return new ListenerError(config.name, `bind ${nameAddress(config)}: ${why}`, cause, holder);
}
