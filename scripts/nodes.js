// Installs the supported versions of Node into build/nodes: node scripts/nodes.js
// They come from the npm registry, as packages that contain only the binary. The version that runs this script is not
// installed again.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const VERSIONS = { 20: '20.20.2', 22: '22.23.3', 24: '24.21.0', 26: '26.10.0' };
const PACKAGE = `node-${process.platform}-${process.arch}`;
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const [running] = process.versions.node.split('.');

const folderOf = (major) => join(ROOT, 'build', 'nodes', major);
const binaryOf = (major) => join(folderOf(major), 'node_modules', PACKAGE, 'bin', 'node');

/**
 * Each version and its binary, the oldest first. The version that runs this script replaces the one of the same release
 * line.
 */
export function binaries() {
  return Object.entries(VERSIONS).map(([major, version]) =>
    major === running ? [process.versions.node, process.execPath] : [version, binaryOf(major)],
  );
}

function install() {
  for (const [major, version] of Object.entries(VERSIONS)) {
    if (major === running) continue;
    const node = binaryOf(major);
    const installed = existsSync(node) && execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
    if (installed === `v${version}`) continue;
    const folder = folderOf(major);
    mkdirSync(folder, { recursive: true });
    const flags = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--loglevel=error'];
    execFileSync('npm', ['install', '--prefix', folder, ...flags, `${PACKAGE}@${version}`], {
      stdio: 'inherit',
      timeout: 300_000,
    });
    process.stdout.write(`node ${version} in build/nodes/${major}\n`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) install();
