import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { dirname, join } from 'node:path';

/** One step of a path: a directory, a symbolic link that the next step follows, or the file at the end. */
export interface PathStep {
  readonly path: string;
  readonly stats: Stats;
  /** No further entry is looked up in it. */
  readonly isLast: boolean;
}

const MAX_SYMLINKS = 40;

/**
 * Every directory and symbolic link that the kernel passes on its way to `path`, starting at `/`, and then the file
 * itself (path_resolution(7)). A relative path starts at the working directory. Throws the errors of lstat(2), each
 * with the path that failed; also ENOTDIR for a file in the middle, and ELOOP.
 */
export function* walkPath(path: string): Generator<PathStep, void, void> {
  // Not path.join, which would resolve `..` before the preceding links.
  const pending = partsOf(path.startsWith('/') ? path : `${process.cwd()}/${path}`);
  const step = (at: string, stats: Stats): PathStep => ({ path: at, stats, isLast: pending.length === 0 });
  let current = '/';
  let links = 0;
  yield step(current, lstatSync(current));
  for (let part = pending.shift(); part !== undefined; part = pending.shift()) {
    const next = part === '..' ? dirname(current) : join(current, part);
    const stats = lstatSync(next);
    if (stats.isSymbolicLink()) {
      links += 1;
      if (links > MAX_SYMLINKS) throw failure('ELOOP', path);
      yield { path: next, stats, isLast: false };
      const target = readlinkSync(next);
      pending.unshift(...partsOf(target));
      if (!target.startsWith('/')) continue;
      current = '/';
      yield step(current, lstatSync(current));
    } else if (pending.length > 0 && !stats.isDirectory()) {
      throw failure('ENOTDIR', next);
    } else {
      current = next;
      yield step(current, stats);
    }
  }
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

function failure(code: 'ELOOP' | 'ENOTDIR', path: string): Error {
  return Object.assign(new Error(`${code}: lstat ${path}`), { code, path, syscall: 'lstat' });
}
