import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';

/** The part of a node:test context that marks a test as skipped. */
export interface Skippable {
  skip(message?: string): void;
}

/** Debian keeps servers where a user's PATH does not look. */
const SERVER_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** Absolute path of an executable on PATH or in the folders for servers; null when there is none. */
export function findProgram(name: string, path: string = process.env.PATH ?? ''): string | null {
  for (const folder of [...path.split(':'), ...SERVER_FOLDERS]) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not here; the next folder may have it.
    }
  }
  return null;
}

/**
 * A program that nobody here wrote. Where it is missing the test is skipped with what to install, and null returned; with CI=true that is
 * an error, so that a build machine cannot quietly test nothing.
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
