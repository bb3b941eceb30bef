import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './paths.ts';

/**
 * Packages that zero is compared with or takes services over from. They are not dependencies. git ignores the
 * directory.
 */
const FOLDER = join(ROOT, 'bench', '.peers');

/** Each version has its own directory. */
export function folderOf(name: string, version: string): string {
  return join(FOLDER, `${name}-${version}`);
}

/** The directory of the package; null: it is not installed. */
export function installedPeer(name: string, version: string): string | null {
  const installed = join(folderOf(name, version), 'node_modules', name);
  return existsSync(installed) ? installed : null;
}

/** The directory of the package. Installs it from the npm registry if it is missing. */
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
