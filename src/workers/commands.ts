import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { ReleaseError } from './release-error.ts';

// What a login has, for tools that zero itself needs: its own PATH may be that of a bare service manager.
const STANDARD_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const PACKAGES = {
  sh: 'dash or bash',
  env: 'coreutils',
  nice: 'coreutils',
  setpriv: 'util-linux',
  prlimit: 'util-linux',
};

/** Programs that the launcher puts in front of the service. */
export type ToolName = keyof typeof PACKAGES;

/**
 * The path of a command as a shell finds it: a name with a slash is taken as it is, another one is looked up in the folders of PATH
 * (an empty one is the current directory, as POSIX has it). null when no folder has an executable file of this name.
 */
export function lookUpCommand(name: string, searchPath: string): string | null {
  if (name.includes('/')) return name;
  for (const folder of searchPath.split(':')) {
    const candidate = resolve(folder, name);
    if (name !== '' && isExecutable(candidate)) return candidate;
  }
  return null;
}

/** What the launcher needs of the machine. */
export interface Tools {
  /** The path of a program. Throws ReleaseError that names the package it comes in. */
  find(name: ToolName): string;
  /** Whether a shell is dash, as `sh` is in Debian and Ubuntu. Throws Error where it does not exist. */
  isDash(shell: string): boolean;
}

/** Those that were found; each is looked for again only when it is not there any more. */
const found = new Map<ToolName, string>();

/** The programs of this machine. */
export const tools: Tools = {
  find(name) {
    const before = found.get(name);
    if (before !== undefined && isExecutable(before)) return before;
    const path = lookUpCommand(name, `${STANDARD_PATH}:${process.env.PATH ?? STANDARD_PATH}`);
    if (path === null)
      throw new ReleaseError('launcher', `${name} is not installed: it comes with ${PACKAGES[name]}`);
    found.set(name, path);
    return path;
  },
  isDash: (shell) => basename(realpathSync.native(shell)) === 'dash',
};

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
