import { chmodSync, cpSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './paths.ts';
import { type Scope, temporaryFolder } from './temporary.ts';

/** The parts of an installed zero that the command and the library need, including the FFI. */
const PARTS = ['bin', 'dist', join('node_modules', '@koromix')];

export interface Installed {
  readonly folder: string;
  /** argv of this zero. */
  readonly command: readonly [string, string];
}

/** An installed zero that every user may run. A checkout in a home directory is closed to other users. */
export function installZero(scope: Scope): Installed {
  const folder = temporaryFolder(scope);
  chmodSync(folder, 0o755);
  for (const part of PARTS)
    cpSync(join(ROOT, part), join(folder, part), { recursive: true, dereference: true });
  return { folder, command: [process.execPath, join(folder, 'bin', 'zero.js')] };
}
