import { lstatSync, type Stats, unlinkSync } from 'node:fs';
import { errorCode } from '../common/errors.ts';
import type { ListenerConfig } from '../config/schema.ts';
import { closeFd, connectSocket, openSocket } from '../linux/sockets.ts';
import { describeHolder, type Holder, type OwnSockets, pathHolder } from './holders.ts';
import { ListenerError, nameAddress } from './listener-error.ts';

/**
 * Makes room for a new socket at `path`: removes the file of a socket that nobody holds any more. A socket that somebody holds, and
 * any other kind of file, is left alone and refused. Throws ListenerError, and what lstat(2) says of a directory that cannot be entered.
 */
export function clearStalePath(config: ListenerConfig, path: string, own: OwnSockets): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  try {
    if (!found.isSocket())
      throw refusal(config, `there is a ${kindOf(found)}: remove it or choose another path`);
    if (isHeld(path)) {
      const holder = pathHolder(path, found);
      const isForeign = own(holder.inode) === null;
      const why = `the path is held ${describeHolder(holder, own)}`;
      throw refusal(config, why, undefined, isForeign ? holder : null);
    }
    unlinkSync(path);
  } catch (error) {
    if (error instanceof ListenerError) throw error;
    const code = errorCode(error) ?? String(error);
    const why = `${code}: cannot tell whether the socket that is there is in use, or not remove it: remove it by hand`;
    throw refusal(config, why, error);
  }
}

/**
 * Whether a process has the socket open. Asked with a datagram socket, so that a live stream listener gets no empty connection: the
 * kernel answers ECONNREFUSED only where no socket belongs to the file, and EPROTOTYPE where one of another type does, listening or
 * not (unix_find_bsd, net/unix/af_unix.c). Throws SystemError, EACCES where the file may not be written to.
 */
function isHeld(path: string): boolean {
  const probe = openSocket('unix', 'dgram');
  try {
    connectSocket(probe, { family: 'unix', path });
    return true;
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ECONNREFUSED' || code === 'ENOENT') return false;
    // EPERM: a datagram socket that takes messages from its own peer only (unix_may_send).
    if (code === 'EPROTOTYPE' || code === 'EPERM') return true;
    throw error;
  } finally {
    closeFd(probe);
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
