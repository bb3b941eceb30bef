import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { getAsset } from 'node:sea';
import { defaultDataDirectory } from '../../supervisor/instance/instance.ts';

/*
 * What Node loads in front of a program that was never changed (docs/guide/node.md) has to be a file. The executable contains it together
 * with the native part that it needs, and writes both down where the services of this user can read them.
 */

const NATIVE = join('node_modules', '@koromix', `koffi-linux-${process.arch}`);

/** The assets of the executable, and where they are in the folder of the module. */
const FILES = {
  'register.cjs': 'register.cjs',
  'koffi.js': join(NATIVE, 'index.js'),
  'koffi.node': join(NATIVE, `linux_${process.arch}`, 'koffi.node'),
};

/**
 * The path of the module. A package that installed it next to the executable wins. The folder has a name that says what it contains, so
 * that one that is in use is never changed. Throws the error of the file system where it cannot be written.
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

/** As a whole or not at all: two of them may do so at the same time. */
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
