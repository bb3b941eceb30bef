import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The part of a node:test context that these helpers use: a callback at the end of the test, also after a failure. */
export interface Scope {
  after(cleanup: () => void | Promise<void>): void;
}

/**
 * Directories that could not be removed at the end of their test, because a process of a later cleanup step still wrote
 * there.
 */
const left = new Set<string>();

function remove(folder: string): boolean {
  try {
    rmSync(folder, { recursive: true, force: true });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTEMPTY') return false;
    throw error;
  }
}

/**
 * A new directory, removed at the end of the test or of its file. Its name is short because the path of a Unix socket
 * has at most 107 bytes (unix(7)).
 */
export function temporaryFolder(scope: Scope): string {
  const folder = mkdtempSync(join(tmpdir(), 'zero-'));
  scope.after(() => {
    if (remove(folder)) return;
    if (left.size === 0) process.once('exit', () => left.forEach(remove));
    left.add(folder);
  });
  return folder;
}

/**
 * A scope that runs its callbacks in reverse order. For a directory that is created before the supervisor that writes
 * to it.
 */
export function reversed(scope: Scope): Scope {
  const cleanups: (() => void | Promise<void>)[] = [];
  scope.after(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });
  return { after: (cleanup) => void cleanups.push(cleanup) };
}
