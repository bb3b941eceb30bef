import { chmodSync, cpSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './paths.ts';
import { type Scope, temporaryFolder } from './temporary.ts';

/** What a package of zero holds that the command and the library need, and the FFI that is installed with it. */
const PARTS = ['bin', 'dist', join('node_modules', '@koromix')];

export interface Installed {
  readonly folder: string;
  /** argv of its zero. */
  readonly command: readonly [string, string];
}

/** A zero of its own, which every user may run: a checkout in somebody's home is closed to others. */
export function installZero(scope: Scope): Installed {
  const folder = temporaryFolder(scope);
  chmodSync(folder, 0o755);
  for (const part of PARTS)
    cpSync(join(ROOT, part), join(folder, part), { recursive: true, dereference: true });
  return { folder, command: [process.execPath, join(folder, 'bin', 'zero.js')] };
}
