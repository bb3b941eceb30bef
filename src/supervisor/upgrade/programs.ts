import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import path from 'node:path';
import { realPathOf } from '../../common/files.ts';
import { findCommand } from '../../common/find-command.ts';
import { isStandalone } from '../../common/own-program.ts';
import type { OwnCommand } from '../start/own-command.ts';

export interface Programs {
  /** The absolute path of the requested zero; null: that of the running one. */
  readonly script: string | null;
  /** The node that the caller runs; null: unknown. */
  readonly node: string | null;
}

/** One way to start the new zero. */
export interface Program {
  /** Its first argument, as of the running zero. */
  readonly name: string;
  /** null: `script` is an executable that contains Node. */
  readonly node: string | null;
  readonly options: readonly string[];
  readonly script: string;
  readonly args: readonly string[];
}

/**
 * The programs to try. If the requested zero is an executable, that one. For a script every node that may run it, the
 * most likely one first: the node in the command, those that were installed together with the script, the one in PATH,
 * the running one, the caller's. Throws Error if the file does not exist.
 */
export function programsFor(
  own: OwnCommand,
  wanted: Programs,
  searchPath: string,
  running: string | null = isStandalone ? null : process.execPath,
): readonly Program[] {
  const script = wanted.script ?? own.script;
  const real = realPathOf(script);
  if (real === null) {
    const advice = wanted.script === null ? ' Specify the new zero with: zero upgrade PATH' : '';
    throw new Error(`${script} does not exist.${advice}`);
  }
  const { args } = own;
  if (isElf(real)) return [{ name: script, node: null, options: [], script, args }];
  const named = own.node !== null && path.isAbsolute(own.node) ? [own.node] : [];
  const [prefix] = real.split(`${path.sep}lib${path.sep}node_modules${path.sep}`);
  const installed = [path.join(path.dirname(script), 'node'), path.join(prefix ?? '', 'bin', 'node')];
  const onPath = findCommand(path.basename(own.node ?? 'node'), searchPath);
  const first = wanted.script === null ? [...named, ...installed] : [...installed, ...named];
  const all = [...first, onPath, running, wanted.node].filter((node) => node !== null);
  return [...new Set(all.filter(existsSync))].map((node) => ({
    name: own.node ?? node,
    node,
    options: own.options,
    script,
    args,
  }));
}

/** The first four bytes of an executable, see elf(5). A script begins with other bytes. */
const ELF_MAGIC = '\x7fELF';

function isElf(file: string): boolean {
  const first = Buffer.alloc(ELF_MAGIC.length);
  const fd = openSync(file, 'r');
  try {
    readSync(fd, first);
  } finally {
    closeSync(fd);
  }
  return first.toString('latin1') === ELF_MAGIC;
}

/** Program and script, for messages. */
export function titleOf({ node, script }: Program): string {
  return node === null ? script : `${node} ${script}`;
}
