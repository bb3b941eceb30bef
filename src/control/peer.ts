import { statSync } from 'node:fs';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import { distrust } from '../linux/files/trusted-path.ts';
import { peerGroups } from '../linux/peer-groups.ts';
import { peerCredentials } from '../linux/socket-options.ts';

/** Who may control: the supervisor's own user, root, and the members of a group where one was named. */
export interface Permitted {
  readonly uid: number;
  readonly gid: number | null;
}

/**
 * Null when the process that connected may control, else who it is. The kernel wrote its credentials down at connect(2) (SO_PEERCRED, unix(7)),
 * so nothing that the peer does later changes them.
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
 * Null for root and the supervisor's own user, otherwise the uid of a member of the group. A program that a request
 * specifies runs as the user of zero, so a member may not specify one.
 */
export function memberPeer(socket: Socket, { uid: own }: Permitted): string | null {
  const fd = descriptorOf(socket);
  if (fd === null) return 'a process that has exited';
  const { uid } = peerCredentials(fd);
  return uid === 0 || uid === own ? null : `uid ${uid}`;
}

/**
 * Null when a command may trust the process that listens on a control socket, else why not. It must run as root, as the
 * user of the command, or as the owner of the socket's directory, which nobody but that owner and root can change
 * (docs/security.md). In a directory such as /tmp anybody can make the directory of somebody else: only root
 * follows an owner there.
 * @param owner of the instance whose record has the path; null where no record has it
 */
export function refusedServer(socket: Socket, path: string, owner: number | null): string | null {
  const fd = descriptorOf(socket);
  const own = process.geteuid?.() ?? 0;
  try {
    if (fd === null) throw new Error('not connected any more');
    const { uid } = peerCredentials(fd);
    // A record of another user could lead to the socket of a third one.
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

/** Node has no public name for a socket's descriptor. Where this one were gone, everybody would be refused. */
function descriptorOf(socket: Socket): number | null {
  const handle: unknown = Reflect.get(socket, '_handle');
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : null;
  return typeof fd === 'number' && fd >= 0 ? fd : null;
}
