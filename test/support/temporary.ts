import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What the files here need of a node:test context: something that runs at the end of the test, also when it failed. */
export interface Scope {
  after(cleanup: () => void | Promise<void>): void;
}

/** Folders that could not be removed at the end of their test: something that is ended by a later step of the same scope still wrote there. */
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
 * A folder of its own, removed at the end of the test, or of its file. Its name is short because a Unix socket's path has room for 107 bytes
 * (unix(7)).
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

/** A scope that undoes last what was made first: for a folder that is there before the supervisor which writes to it. */
export function reversed(scope: Scope): Scope {
  const cleanups: (() => void | Promise<void>)[] = [];
  scope.after(async () => {
    for (const cleanup of cleanups.reverse()) await cleanup();
  });
  return { after: (cleanup) => void cleanups.push(cleanup) };
}
