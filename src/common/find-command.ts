import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, resolve } from 'node:path';

/**
 * The path of a command as execvp(3) and a shell find it. A name with a slash is used as is; any other is searched in
 * the directories of PATH. Null if none of them has an executable file of this name.
 * @param here the base directory of relative entries in PATH; an empty entry means this directory
 */
export function findCommand(
  command: string,
  searchPath = process.env.PATH ?? '/usr/bin:/bin',
  here = process.cwd(),
): string | null {
  if (command.includes('/')) return command;
  if (command === '') return null;
  for (const directory of searchPath.split(delimiter)) {
    const file = resolve(here, directory, command);
    if (isExecutable(file)) return file;
  }
  return null;
}

/** Whether a path leads to a regular file that this process may execute. */
export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
