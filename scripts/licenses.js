// The licences of bundled packages, which must be distributed with the bundle.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const PACKAGE = /^(.*\bnode_modules\/(?:@[^/]+\/)?[^/]+)\//;

/** The folders of the packages that a build contains, from its metafile. */
export function packagesOf({ inputs }) {
  return Object.keys(inputs).flatMap((file) => PACKAGE.exec(file)?.slice(1) ?? []);
}

/** One text with all licences. Throws for a package without a licence. */
export function licensesOf(folders) {
  return [...new Set(folders)]
    .sort()
    .map(licenseOf)
    .join(`\n${'-'.repeat(80)}\n\n`);
}

function licenseOf(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  if (typeof license !== 'string') throw new Error(`${folder}: its package.json names no licence`);
  const file = readdirSync(folder).find((entry) => /^licen[cs]e(?:\.\w+)?$/i.test(entry));
  const text = file === undefined ? '' : `\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
  return `${name} ${version} (${license})\n${text}`;
}
