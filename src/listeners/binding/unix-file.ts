import { lstatSync, readFileSync, unlinkSync } from 'node:fs';
import { errorCode } from '../../common/errors.ts';
import type { ListenerConfig } from '../../config/schema.ts';
import {
  boundFile,
  type FileIdentity,
  isFile,
  ReplacedFileError,
  setAccess,
} from '../../linux/bound-file.ts';
import { isBoundTo } from '../../linux/sock_diag.ts';
import { lookupGroup, lookupUser } from '../../linux/users.ts';
import { ListenerError, nameAddress } from '../listener-error.ts';

/** The name of a Unix socket on disk, and the inode of zero's socket file. */
export interface UnixFile extends FileIdentity {
  readonly path: string;
  /** The owner that bind(2) gave the file. It applies where the config sets no owner or group. */
  readonly uid: number;
  readonly gid: number;
}

/** Who may connect: the permission bits, the owner and the group. Null where the config names no owner or group. */
export interface Permissions {
  readonly mode: number;
  readonly uid: number | null;
  readonly gid: number | null;
}

/** Resolves mode, owner and group of the config on this machine. Throws ListenerError for an unknown user or group. */
export function permissionsOf(config: ListenerConfig): Permissions {
  return {
    mode: config.mode ?? 0o777 & ~currentUmask(),
    uid: config.owner === undefined ? null : userId(config, config.owner),
    gid: config.group === undefined ? null : groupId(config, config.group),
  };
}

/**
 * Reads the file that bind(2) has just created for a socket. Throws ListenerError if another process has replaced it.
 */
export function readUnixFile(config: ListenerConfig, socket: number, path: string): UnixFile {
  try {
    return { path, ...boundFile(socket, path) };
  } catch (error) {
    if (!(error instanceof ReplacedFileError)) throw error;
    const advice = 'use a directory that only root and this user may write to';
    throw new ListenerError(config.name, `bind ${nameAddress(config)}: ${error.message}: ${advice}`, error);
  }
}

/**
 * Finds the file of a socket that another supervisor of this user bound, under the names that it may have. Null if none
 * of them leads to the socket.
 * @param path the name under which it was bound
 */
export function boundFileAt(socketInode: number, names: readonly string[], path: string): UnixFile | null {
  for (const name of names) {
    const found = lstatSync(name, { throwIfNoEntry: false });
    if (!found?.isSocket() || !isBoundTo(socketInode, found.ino)) continue;
    const uid = process.geteuid?.() ?? found.uid;
    return { path, device: found.dev, inode: found.ino, uid, gid: process.getegid?.() ?? found.gid };
  }
  return null;
}

/** Sets owner and group of the file, then its mode, if the path still leads to our socket. Throws ListenerError. */
export function applyPermissions(config: ListenerConfig, file: UnixFile, permissions: Permissions): void {
  const { mode, uid, gid } = permissions;
  try {
    setAccess(file.path, file, { mode, uid: uid ?? file.uid, gid: gid ?? file.gid });
  } catch (error) {
    const code = errorCode(error) ?? String(error);
    const why = code === 'EPERM' ? ': only root, or CAP_CHOWN, gives a file to another owner or group' : '';
    throw new ListenerError(config.name, `owner and mode of ${nameAddress(config)}: ${code}${why}`, error);
  }
}

/**
 * Removes the name unless it leads to another file by now. Call this before closing the socket: as long as the socket
 * exists, the kernel keeps its inode, so no other file can have the same number.
 */
export function unlinkIfOurs(file: UnixFile): void {
  try {
    if (isFile(file.path, file)) unlinkSync(file.path);
  } catch {
    // The directory has become read-only. The next start replaces the stale socket.
  }
}

/** From proc(5), Umask: process.umask() reads the umask only by changing it, for the other threads too. */
function currentUmask(): number {
  const line = /^Umask:\s*([0-7]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'));
  return Number.parseInt(line?.[1] ?? '22', 8);
}

function userId(config: ListenerConfig, owner: string): number {
  const found = lookupUser(owner);
  if (found !== null) return found.uid;
  if (/^\d+$/.test(owner)) return Number(owner);
  throw new ListenerError(config.name, `owner of ${nameAddress(config)}: user ${owner} does not exist`);
}

function groupId(config: ListenerConfig, group: string): number {
  const found = lookupGroup(group);
  if (found !== null) return found.gid;
  if (/^\d+$/.test(group)) return Number(group);
  throw new ListenerError(config.name, `group of ${nameAddress(config)}: group ${group} does not exist`);
}
