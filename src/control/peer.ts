import { statSync } from 'node:fs';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import { distrust } from '../linux/files/trusted-path.ts';
import { peerGroups } from '../linux/peer-groups.ts';
import { peerCredentials } from '../linux/socket-options.ts';

/** The users who may control zero: the supervisor's own user, root, and the members of a configured group. */
export interface Permitted {
  readonly uid: number;
  readonly gid: number | null;
}

/**
 * Null if the connected process may control zero, otherwise its user. The kernel recorded its credentials at connect(2)
 * (SO_PEERCRED, unix(7)), so the peer cannot change them later.
 */
export function refusedPeer(socket: Socket, permitted: Permitted): string | null {
  const fd = descriptorOf(socket);
  if (fd === null) return 'a process that has exited';
  try {
    const { uid, gid } = peerCredentials(fd);
    if (uid === 0 || uid === permitted.uid) return null;
    const { gid: wanted } = permitted;
    if (wanted !== null && (gid === wanted || peerGroups(fd).includes(wanted))) return null;
    return `uid ${uid}`;
  } catch {
    return 'an unknown process';
  }
}

/**
 * Null for root and the supervisor's own user, otherwise the uid of the group member. A program in a request runs as
 * zero's user, so a member may not specify one.
 */
export function memberPeer(socket: Socket, { uid: own }: Permitted): string | null {
  const fd = descriptorOf(socket);
  if (fd === null) return 'a process that has exited';
  const { uid } = peerCredentials(fd);
  return uid === 0 || uid === own ? null : `uid ${uid}`;
}

/**
 * Null if a command may trust the process that listens on a control socket, otherwise the reason. The process must run
 * as root, as the command's user, or as the owner of the socket's directory, which only that owner and root can change
 * (docs/security.md). In a directory such as /tmp any user can create a directory with the name of another user's:
 * there only root trusts the owner.
 * @param owner the owner of the instance whose record has this path; null if no record has it
 */
export function refusedServer(socket: Socket, path: string, owner: number | null): string | null {
  const fd = descriptorOf(socket);
  const own = process.geteuid?.() ?? 0;
  try {
    if (fd === null) throw new Error('not connected any more');
    const { uid } = peerCredentials(fd);
    // The record of another user could point to the socket of a third user.
    if (owner !== null && uid !== owner)
      return `uid ${uid} listens there, but the instance belongs to uid ${owner}`;
    if (uid === 0 || uid === own) return null;
    const directory = dirname(path);
    const sticky = own === 0 ? 'on the way' : 'nowhere';
    if (statSync(directory).uid === uid && distrust(directory, { uid, sticky }) === null) return null;
    return `uid ${uid} listens there, which is not root, this user (uid ${own}) or the owner of that directory`;
  } catch {
    return 'the kernel does not report which user listens there';
  }
}

/** Node has no public property for a socket's descriptor. If this one were missing, every peer would be refused. */
function descriptorOf(socket: Socket): number | null {
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : null;
  return typeof fd === 'number' && fd >= 0 ? fd : null;
}
