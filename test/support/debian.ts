import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';

/** The part of a node:test context that marks a test as skipped. */
export interface Skippable {
  skip(message?: string): void;
}

/** Debian installs servers in directories that a user's PATH does not contain. */
const SERVER_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** Absolute path of an executable on PATH or in the directories for servers; null if it is missing. */
export function findProgram(name: string, path: string = process.env.PATH ?? ''): string | null {
  for (const folder of [...path.split(':'), ...SERVER_FOLDERS]) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not in this directory. The next one may have it.
    }
  }
  return null;
}

/**
 * The path of an external program. If it is missing, the test is skipped with the package to install, and the result is
 * null. With CI=true it throws, so that a build machine never skips the test silently.
 */
export function requireProgram(
  test: Skippable,
  name: string,
  debianPackage: string,
  ci: boolean = process.env.CI === 'true',
): string | null {
  const found = findProgram(name);
  if (found !== null) return found;
  const message = `${name} is not installed: apt-get install ${debianPackage}`;
  if (ci) throw new Error(message);
  test.skip(message);
  return null;
}
