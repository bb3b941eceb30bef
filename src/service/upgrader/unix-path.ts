import { lstatSync, renameSync, rmSync, type Stats, statSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { isSame, type SocketPath } from './descriptor.ts';

/** A path in the file system, not an abstract name. */
export const isFile = (path: string): boolean => !path.startsWith('\0');

/**
 * When the process that bound a Unix socket closes it, libuv removes the socket's path, although another process may
 * still listen (uv__pipe_close). So a socket is bound under a temporary name and moved to its path: rename(2) does not
 * affect the socket.
 */
export function temporaryPath(path: string): string {
  return join(dirname(path), `.${uniqueName()}`);
}

/**
 * Moves the socket to its path and replaces a socket without a listener. Returns the data for removing the path later.
 */
export function moveToPath(from: string, path: string): SocketPath {
  try {
    renameSync(from, path);
  } catch (error) {
    rmSync(from, { force: true });
    throw error;
  }
  const { dev, ino } = statSync(path);
  return { path, dev, ino };
}

/** Removes the path if it still belongs to that socket. */
export function removePath({ path, ...identity }: SocketPath): void {
  const found = look(path);
  if (found !== null && isSame(found, identity)) rmSync(path, { force: true });
}

/**
 * Rejects with EADDRINUSE if a process listens there, or if the path is not a socket; with ENOENT if its folder does
 * not exist, for which libuv would report EACCES (uv_pipe_bind2).
 */
export async function assertFree(path: string): Promise<void> {
  if (look(dirname(path)) === null)
    throw refused('ENOENT', path, `directory ${dirname(path)} does not exist`);
  const found = look(path);
  if (found === null) return;
  if (!found.isSocket()) throw refused('EADDRINUSE', path, 'it is not a socket');
  if (await answers(path)) throw refused('EADDRINUSE', path, 'another process listens there');
}

function look(path: string): Stats | null {
  return lstatSync(path, { throwIfNoEntry: false }) ?? null;
}

/**
 * Whether a process listens. ECONNREFUSED: the socket's process has exited. ENOENT: the path was removed meanwhile. Any
 * other result (EAGAIN: the queue is full) means a listening process.
 */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => {
      resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT');
    });
  });
}

function refused(code: string, path: string, why: string): Error {
  return Object.assign(new Error(`listen ${code}: ${path}: ${why}`), { code, address: path });
}

/** A name that is unique but not secret. Loading node:crypto would take 2 ms. */
export const uniqueName = (): string => Math.random().toString(36).slice(2).padEnd(8, '0').slice(0, 8);
