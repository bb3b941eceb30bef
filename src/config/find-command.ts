import { accessSync, constants, statSync } from 'node:fs';
import path from 'node:path';

/**
 * The first executable file of this name on PATH, as execvp(3) looks for it; null when there is none.
 * @param here the directory that relative entries of PATH begin at
 */
export function findCommand(
  command: string,
  searchPath = process.env.PATH ?? '/usr/bin:/bin',
  here = process.cwd(),
): string | null {
  for (const directory of searchPath.split(':')) {
    const file = path.resolve(here, directory, command);
    try {
      accessSync(file, constants.X_OK);
      if (statSync(file).isFile()) return file;
    } catch {
      // Not here, or not ours to execute: execvp(3) goes on, too.
    }
  }
  return null;
}
