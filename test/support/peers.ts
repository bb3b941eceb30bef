import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './paths.ts';

/** Packages that zero is compared with or takes services over from, and does not depend on. git ignores the folder. */
const FOLDER = join(ROOT, 'bench', '.peers');

/** Its own, so that no version is in the way of another one. */
export function folderOf(name: string, version: string): string {
  return join(FOLDER, `${name}-${version}`);
}

/** Where the package is; null: it is not installed. */
export function installedPeer(name: string, version: string): string | null {
  const installed = join(folderOf(name, version), 'node_modules', name);
  return existsSync(installed) ? installed : null;
}

/** Where the package is; installs it from the npm registry if it is not there yet. */
export function installPeer(name: string, version: string): string {
  const folder = folderOf(name, version);
  if (installedPeer(name, version) === null) {
    mkdirSync(folder, { recursive: true });
    const options = ['--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--prefix', folder];
    execFileSync('npm', ['install', ...options, `${name}@${version}`], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
  return join(folder, 'node_modules', name);
}
