import { existsSync, realpathSync } from 'node:fs';
import { basename } from 'node:path';
import { findCommand, isExecutable } from '../../common/find-command.ts';
import { isStandalone, ownProgram } from '../../common/own-program.ts';
import { ReleaseError } from './release-error.ts';

// The PATH of a login, for tools that zero itself needs: zero's own PATH may be that of a minimal service manager.
const STANDARD_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

const PACKAGES = {
  sh: 'dash or bash',
  env: 'coreutils',
  setpriv: 'util-linux',
  prlimit: 'util-linux',
};

/** Programs that the launcher executes before the service. */
export type ToolName = keyof typeof PACKAGES;

/** Programs of the machine that the launcher needs. */
export interface Tools {
  /** The path of a program. Throws ReleaseError with the name of its package. */
  find(name: ToolName): string;
  /** The path of sh. Null if it does not exist, as in an image that contains only one program. */
  findShell(): string | null;
  /** Whether a shell is dash, as `sh` is in Debian and Ubuntu. Throws Error if the shell does not exist. */
  isDash(shell: string): boolean;
  /** The program and first arguments of zero's own launcher. Throws ReleaseError if it is missing. */
  ownLauncher(): readonly string[];
}

/** Found programs. Each is searched again only if it no longer exists. */
const found = new Map<ToolName, string>();

/** The programs of this machine. */
export const tools: Tools = {
  find(name) {
    const path = findTool(name);
    if (path === null)
      throw new ReleaseError('launcher', `${name} is not installed. Install ${PACKAGES[name]}`);
    return path;
  },
  findShell: () => findTool('sh'),
  isDash: (shell) => basename(realpathSync.native(shell)) === 'dash',
  ownLauncher() {
    // Fewer threads start faster, and allocate nothing while a memory limit is set.
    const words = ownProgram('node-launcher', import.meta.url, ['--single-threaded']);
    const file = (isStandalone ? words[0] : words.at(-1)) ?? '';
    if (!existsSync(file)) {
      const advice = 'Reinstall zero, and restart it if it was replaced while it ran';
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
