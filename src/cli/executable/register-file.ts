import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { getAsset } from 'node:sea';
import { defaultDataDirectory } from '../../supervisor/instance/instance.ts';

/*
 * The module that Node loads before an unchanged program (docs/guide/node.md) must be a file. The executable contains
 * this module and its native part, and writes both to a directory that this user's services can read.
 */

const NATIVE = join('node_modules', '@koromix', `koffi-linux-${process.arch}`);

/** The assets of the executable and their paths in the module's folder. */
const FILES = {
  'register.cjs': 'register.cjs',
  'koffi.js': join(NATIVE, 'index.js'),
  'koffi.node': join(NATIVE, `linux_${process.arch}`, 'koffi.node'),
};

/**
 * The path of the module. If a package installed the module next to the executable, that file is used. The folder's
 * name contains the hash of its contents, so a folder in use never changes. Throws the file system's error if the files
 * cannot be written.
 */
export function registerFile(): string {
  const installed = join(dirname(process.execPath), '..', 'lib', 'zerodown', 'register.cjs');
  if (existsSync(installed)) return installed;
  const contents = Object.keys(FILES).map((name) => Buffer.from(getAsset(name)));
  const hash = createHash('sha256');
  for (const content of contents) hash.update(content);
  const folder = defaultDataDirectory(`register-${hash.digest('hex').slice(0, 16)}`);
  const file = join(folder, FILES['register.cjs']);
  if (!existsSync(file)) write(folder, contents);
  return file;
}

/** Writes all files or none: two processes may write them at the same time. */
function write(folder: string, contents: readonly Buffer[]): void {
  mkdirSync(dirname(folder), { recursive: true, mode: 0o711 });
  const unfinished = mkdtempSync(`${folder}.`);
  try {
    for (const [index, file] of Object.values(FILES).entries()) {
      mkdirSync(dirname(join(unfinished, file)), { recursive: true });
      writeFileSync(join(unfinished, file), contents[index] ?? '');
    }
    chmodSync(unfinished, 0o755);
    renameSync(unfinished, folder);
  } catch (error) {
    if (!existsSync(join(folder, FILES['register.cjs']))) throw error;
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}
