import { chmodSync, lchownSync, lstatSync, readFileSync, unlinkSync } from 'node:fs';
import type { ListenerConfig } from '../config/schema.ts';
import { lookupGroup, lookupUser } from '../linux/users.ts';
import { errnoName, ListenerError, nameAddress } from './listener-error.ts';

/** The name of a Unix socket on the disk, and the inode behind it that is ours. */
export interface UnixFile {
  readonly path: string;
  readonly device: number;
  readonly inode: number;
  /** Who the file belonged to when bind(2) made it: what a config without owner and group means. */
  readonly uid: number;
  readonly gid: number;
}

/** Who may connect: the permission bits, and null where the config names no owner or group. */
export interface Permissions {
  readonly mode: number;
  readonly uid: number | null;
  readonly gid: number | null;
}

/** What mode, owner and group of the config mean on this machine. Throws ListenerError for a user or group that does not exist. */
export function permissionsOf(config: ListenerConfig): Permissions {
  return {
    mode: config.mode ?? 0o777 & ~currentUmask(),
    uid: config.owner === undefined ? null : userId(config, config.owner),
    gid: config.group === undefined ? null : groupId(config, config.group),
  };
}

/** The file that bind(2) has just made. */
export function readUnixFile(path: string): UnixFile {
  const { dev, ino, uid, gid } = lstatSync(path);
  return { path, device: dev, inode: ino, uid, gid };
}

/** Gives the file its owner and group, then its mode, if the path is still ours. Throws ListenerError. */
export function applyPermissions(config: ListenerConfig, file: UnixFile, permissions: Permissions): void {
  if (!isStillOurs(file)) return;
  try {
    // The mode comes last: a group must not be let in before the file is the right group's.
    lchownSync(file.path, permissions.uid ?? file.uid, permissions.gid ?? file.gid);
    chmodSync(file.path, permissions.mode);
  } catch (error) {
    const code = errnoName(error) ?? String(error);
    const why = code === 'EPERM' ? ': only root, or CAP_CHOWN, gives a file to another owner or group' : '';
    throw new ListenerError(config.name, `owner and mode of ${nameAddress(config)}: ${code}${why}`, error);
  }
}

/**
 * Takes the name away unless it has become somebody else's. Call it before the socket is closed: as long as the socket lives the kernel
 * keeps its inode, so that the number cannot have been given to another file.
 */
export function unlinkIfOurs(file: UnixFile): void {
  try {
    if (isStillOurs(file)) unlinkSync(file.path);
  } catch {
    // A directory that has become read-only: the next start replaces the stale socket.
  }
}

function isStillOurs(file: UnixFile): boolean {
  const found = lstatSync(file.path, { throwIfNoEntry: false });
  return found !== undefined && found.ino === file.inode && found.dev === file.device;
}

/** proc(5), Umask: process.umask() could only read it by changing it, for the other threads too. */
function currentUmask(): number {
  const line = /^Umask:\s*([0-7]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'));
  return Number.parseInt(line?.[1] ?? '22', 8);
}

function userId(config: ListenerConfig, owner: string): number {
  const found = lookupUser(owner);
  if (found !== null) return found.uid;
  if (/^\d+$/.test(owner)) return Number(owner);
  throw new ListenerError(config.name, `owner of ${nameAddress(config)}: there is no user ${owner}`);
}

function groupId(config: ListenerConfig, group: string): number {
  const found = lookupGroup(group);
  if (found !== null) return found.gid;
  if (/^\d+$/.test(group)) return Number(group);
  throw new ListenerError(config.name, `group of ${nameAddress(config)}: there is no group ${group}`);
}
