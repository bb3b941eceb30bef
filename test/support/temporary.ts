import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What the files here need of a node:test context: something that runs at the end of the test, also when it failed. */
export interface Scope {
  after(cleanup: () => void | Promise<void>): void;
}

/**
 * A folder of its own, removed at the end of the test. Its name is short because a Unix socket's path has room for 107 bytes (unix(7)).
 */
export function temporaryFolder(scope: Scope): string {
  const folder = mkdtempSync(join(tmpdir(), 'zero-'));
  scope.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
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
