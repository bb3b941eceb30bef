import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../test/support/paths.ts';

/** What this project is compared with and does not depend on: installed when it is first measured, and ignored by git. */
const FOLDER = join(ROOT, 'bench', '.peers');

/** Where the package is; installs it from the npm registry if it is not there yet. */
export function installPeer(name: string, version: string): string {
  const folder = join(FOLDER, `${name}-${version}`);
  const installed = join(folder, 'node_modules', name);
  if (existsSync(installed)) return installed;
  mkdirSync(folder, { recursive: true });
  const options = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--prefix', folder];
  execFileSync('npm', ['install', ...options, `${name}@${version}`], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return installed;
}
