import { existsSync, realpathSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findCommand, isExecutable } from '../common/find-command.ts';
import { ReleaseError } from './release-error.ts';

// What a login has, for tools that zero itself needs: its own PATH may be that of a bare service manager.
const STANDARD_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const PACKAGES = {
  sh: 'dash or bash',
  env: 'coreutils',
  setpriv: 'util-linux',
  prlimit: 'util-linux',
};

/** Programs that the launcher puts in front of the service. */
export type ToolName = keyof typeof PACKAGES;

/** What the launcher needs of the machine. */
export interface Tools {
  /** The path of a program. Throws ReleaseError that names the package it comes in. */
  find(name: ToolName): string;
  /** Whether a shell is dash, as `sh` is in Debian and Ubuntu. Throws Error where it does not exist. */
  isDash(shell: string): boolean;
  /** The program and first arguments of zero's own launcher. Throws ReleaseError where it is missing. */
  ownLauncher(): readonly string[];
}

/** Next to this module, and built in the same way: a file of the same folder and with the same ending. */
const OWN_LAUNCHER = fileURLToPath(new URL(`node-launcher${extname(import.meta.url)}`, import.meta.url));

/** Those that were found; each is looked for again only when it is not there any more. */
const found = new Map<ToolName, string>();

/** The programs of this machine. */
export const tools: Tools = {
  find(name) {
    const before = found.get(name);
    if (before !== undefined && isExecutable(before)) return before;
    const path = findCommand(name, `${STANDARD_PATH}:${process.env.PATH ?? STANDARD_PATH}`);
    if (path === null)
      throw new ReleaseError('launcher', `${name} is not installed: it comes with ${PACKAGES[name]}`);
    found.set(name, path);
    return path;
  },
  isDash: (shell) => basename(realpathSync.native(shell)) === 'dash',
  ownLauncher() {
    if (!existsSync(OWN_LAUNCHER)) {
      const advice = 'Install zero again, and restart it if it was replaced while it ran';
      throw new ReleaseError(
        'launcher',
        `cannot start the launcher ${OWN_LAUNCHER}: ENOENT: the file is missing. ${advice}`,
      );
    }
    // Fewer threads start sooner, and allocate nothing while a limit on memory is set.
    return [process.execPath, '--single-threaded', OWN_LAUNCHER];
  },
};
