import { existsSync, realpathSync } from 'node:fs';
import { basename } from 'node:path';
import { findCommand, isExecutable } from '../../common/find-command.ts';
import { isStandalone, ownProgram } from '../../common/own-program.ts';
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
  /** The path of sh; null where there is none, as in an image that contains nothing but a program. */
  findShell(): string | null;
  /** Whether a shell is dash, as `sh` is in Debian and Ubuntu. Throws Error where it does not exist. */
  isDash(shell: string): boolean;
  /** The program and first arguments of zero's own launcher. Throws ReleaseError where it is missing. */
  ownLauncher(): readonly string[];
}

/** Those that were found; each is looked for again only when it is not there any more. */
const found = new Map<ToolName, string>();

/** The programs of this machine. */
export const tools: Tools = {
  find(name) {
    const path = findTool(name);
    if (path === null)
      throw new ReleaseError('launcher', `${name} is not installed: it comes with ${PACKAGES[name]}`);
    return path;
  },
  findShell: () => findTool('sh'),
  isDash: (shell) => basename(realpathSync.native(shell)) === 'dash',
  ownLauncher() {
    // Fewer threads start sooner, and allocate nothing while a limit on memory is set.
    const words = ownProgram('node-launcher', import.meta.url, ['--single-threaded']);
    const file = (isStandalone ? words[0] : words.at(-1)) ?? '';
    if (!existsSync(file)) {
      const advice = 'Install zero again, and restart it if it was replaced while it ran';
      throw new ReleaseError(
        'launcher',
        `cannot start the launcher ${file}: ENOENT: the file is missing. ${advice}`,
      );
    }
    return words;
  },
};

function findTool(name: ToolName): string | null {
  const before = found.get(name);
  if (before !== undefined && isExecutable(before)) return before;
  const path = findCommand(name, `${STANDARD_PATH}:${process.env.PATH ?? STANDARD_PATH}`);
  if (path !== null) found.set(name, path);
  return path;
}
