import { lstatSync, renameSync, rmSync, type Stats, statSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { isSame, type SocketPath } from './descriptor.ts';

/** A path in the file system, not an abstract name. */
export const isFile = (path: string): boolean => !path.startsWith('\0');

/**
 * libuv removes the path of a Unix socket in the process that bound it, when that one closes it, although another one may still listen
 * (uv__pipe_close). So a socket is bound under a name that is good for nothing else, and moved to its path: rename(2) leaves the socket as it is.
 */
export function temporaryPath(path: string): string {
  return join(dirname(path), `.${uniqueName()}`);
}

/** Puts the socket at its path, in place of one that nobody listens on. Returns what is needed to remove it again. */
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

/** Removes the path if it still is that socket's. */
export function removePath({ path, ...identity }: SocketPath): void {
  const found = look(path);
  if (found !== null && isSame(found, identity)) rmSync(path, { force: true });
}

/**
 * Rejects with EADDRINUSE where somebody listens, or where the path is something else than a socket; with ENOENT where its folder is not there, for
 * which libuv would say EACCES (uv_pipe_bind2).
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

/** ECONNREFUSED is a socket whose process is gone; ENOENT: its path is gone by now; all else (EAGAIN: the queue is full) is a living one. */
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

/** For what must not meet another one of its kind, and is no secret. node:crypto would take 2 ms to load. */
export const uniqueName = (): string => Math.random().toString(36).slice(2).padEnd(8, '0').slice(0, 8);
