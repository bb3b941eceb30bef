import { fchmodSync } from 'node:fs';
import type { UnixAddress } from '../../config/address.ts';
import type { ListenerConfig } from '../../config/schema.ts';
import { bindSocket, closeFd, listenSocket } from '../../linux/sockets.ts';
import type { OwnSockets } from '../diagnosis/holders.ts';
import { openListener } from './open-socket.ts';
import { applyOptions } from './options.ts';
import { clearStalePath } from './stale-path.ts';
import { applyPermissions, permissionsOf, readUnixFile, type UnixFile, unlinkIfOurs } from './unix-file.ts';

/**
 * Opens a bound Unix socket, listening if it is a stream, and its file (null for an abstract name). Replaces the file
 * of an owner that died. Throws ListenerError and leaves no file behind.
 */
export function openUnix(
  config: ListenerConfig,
  address: UnixAddress,
  own: OwnSockets,
): { fd: number; file: UnixFile | null } {
  const { path } = address;
  const isStream = address.network === 'unix';
  const isAbstract = path.startsWith('@');
  let file: UnixFile | null = null;
  const fd = openListener(config, { family: 'unix', path }, isStream ? 'stream' : 'dgram', own, (socket) => {
    try {
      applyOptions(socket, config);
      if (isAbstract) bindSocket(socket, { family: 'unix', path });
      else file = bindPath(socket, config, path, own);
      if (isStream) listenSocket(socket, config.backlog);
    } catch (error) {
      if (file !== null) unlinkIfOurs(file);
      throw error;
    }
  });
  return { fd, file };
}

/**
 * Opens a listening stream socket and its file at a path other than the configured one. Throws ListenerError, as
 * `openUnix`.
 */
export function openUnixAt(
  config: ListenerConfig,
  path: string,
  own: OwnSockets,
): { fd: number; file: UnixFile } {
  const text = `unix:${path}`;
  const at = { ...config, address: { kind: 'unix', network: 'unix', path, text } } as const;
  const { fd, file } = openUnix(at, at.address, own);
  if (file !== null) return { fd, file };
  closeFd(fd);
  throw new TypeError(`${path} is not a path`);
}

function bindPath(fd: number, config: ListenerConfig, path: string, own: OwnSockets): UnixFile {
  const permissions = permissionsOf(config);
  clearStalePath(config, path, own);
  // bind(2) gives the file the mode of the socket's own inode (unix_bind_bsd, net/unix/af_unix.c). Unlike a umask
  // around the call, this affects no other thread. Only the owner can connect until the group is set.
  fchmodSync(fd, permissions.mode & 0o700);
  bindSocket(fd, { family: 'unix', path });
  const file = readUnixFile(config, fd, path);
  try {
    applyPermissions(config, file, permissions);
  } catch (error) {
    unlinkIfOurs(file);
    throw error;
  }
  return file;
}
