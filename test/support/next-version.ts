import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { type Installed, installZero } from './installed.ts';
import { fixture, ROOT } from './paths.ts';
import type { Scope } from './temporary.ts';

/** The release of `installNext`. */
export const NEXT_VERSION = '9.0.0';

/**
 * Installs a later release: this checkout with a higher version number and with one additional version of the state and
 * config formats.
 * @param options `writesEarlier`: it can also hand its service to this release
 */
export function installNext(scope: Scope, { writesEarlier }: { readonly writesEarlier: boolean }): Installed {
  const installed = installZero(scope);
  const options = writesEarlier ? [] : ['--no-earlier-formats'];
  const script = fixture('next-version/build.js');
  execFileSync(process.execPath, [script, join(installed.folder, 'dist'), ...options], { cwd: ROOT });
  return installed;
}
