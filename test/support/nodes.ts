import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Skippable } from './debian.ts';
import { ROOT } from './paths.ts';

/** The tested versions of Node. They differ in Node's own behaviour, such as the effect of `server.close()`. */
export const NODE_MAJORS = [20, 22, 24, 26] as const;

export type NodeMajor = (typeof NODE_MAJORS)[number];

const INSTALL = 'node scripts/nodes.js';

/** The executable of that version, running or installed; null if there is none. */
export function findNode(major: NodeMajor): string | null {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath;
  const name = `node-${process.platform}-${process.arch}`;
  const file = join(ROOT, 'build', 'nodes', String(major), 'node_modules', name, 'bin', 'node');
  return existsSync(file) ? file : null;
}

/**
 * The executable of that version. If it is missing, the test is skipped with the command that installs it, and the
 * result is null. With CI=true it throws, so that a build machine never tests fewer versions silently.
 */
export function requireNode(
  test: Skippable,
  major: NodeMajor,
  ci: boolean = process.env.CI === 'true',
): string | null {
  const found = findNode(major);
  if (found !== null) return found;
  const message = `Node ${major} is not installed: ${INSTALL}`;
  if (ci) throw new Error(message);
  test.skip(message);
  return null;
}
