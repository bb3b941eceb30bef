import { existsSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { findCommand } from '../../common/find-command.ts';
import type { OwnCommand } from '../own-command.ts';

export interface Programs {
  /** Absolute path of the zero that is wanted; null: that by which this one was started. */
  readonly script: string | null;
  /** The node that the caller runs; null: not known. */
  readonly node: string | null;
}

/** One way to start the new zero. */
export interface Program {
  /** Its first argument, by which the running one was started. */
  readonly name: string;
  readonly node: string;
  readonly options: readonly string[];
  readonly script: string;
  readonly args: readonly string[];
}

/**
 * Every node that may run the wanted zero, the most likely one first: the one that was named in the command, those that
 * were installed together with the script, the one that PATH leads to now, the running one, the caller's. Throws Error
 * where the script does not exist.
 */
export function programsFor(
  own: OwnCommand,
  wanted: Programs,
  searchPath: string,
  running: string = process.execPath,
): readonly Program[] {
  const script = wanted.script ?? own.script;
  const real = realPathOf(script);
  if (real === null) {
    const advice = wanted.script === null ? ' Name the new zero with: zero upgrade PATH' : '';
    throw new Error(`${script} does not exist.${advice}`);
  }
  const named = path.isAbsolute(own.node) ? [own.node] : [];
  const [prefix] = real.split(`${path.sep}lib${path.sep}node_modules${path.sep}`);
  const installed = [path.join(path.dirname(script), 'node'), path.join(prefix ?? '', 'bin', 'node')];
  const onPath = findCommand(path.basename(own.node), searchPath);
  const first = wanted.script === null ? [...named, ...installed] : [...installed, ...named];
  const all = [...first, onPath, running, wanted.node].filter((node) => node !== null);
  return [...new Set(all.filter(existsSync))].map((node) => ({
    name: own.node,
    node,
    options: own.options,
    script,
    args: own.args,
  }));
}

function realPathOf(file: string): string | null {
  try {
    return realpathSync(file);
  } catch {
    return null;
  }
}
