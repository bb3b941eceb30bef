import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { getAsset } from 'node:sea';
import { errorText } from '../../common/errors.ts';
import { makeOwnDirectory, requireTrusted } from '../../linux/files/own-files.ts';
import { distrust } from '../../linux/files/trusted-path.ts';
import { defaultDataDirectory, InstanceError } from '../../supervisor/instance/instance.ts';
import { defaultRoot, processOwner } from '../../supervisor/instance/instance-roots.ts';

/*
 * The module that Node loads before an unchanged program (docs/guide/node.md) must be a file. The executable contains
 * this module and its native part, and writes both to a directory that this user's services can read.
 */

const MODULE = 'register.cjs';
const NATIVE = join('node_modules', '@koromix', `koffi-linux-${process.arch}`);

/** The assets of the executable and their paths in the module's folder. */
const FILES = {
  [MODULE]: MODULE,
  'koffi.js': join(NATIVE, 'index.js'),
  'koffi.node': join(NATIVE, `linux_${process.arch}`, 'koffi.node'),
};

/**
 * The path of the module. If a package installed the module next to the executable, that file is used. The folder's
 * name contains the hash of its contents, so a folder in use never changes.
 * @param lasting false: a folder that is lost with a restart of the machine is enough, if there is no other
 * @throws InstanceError if the files cannot be written
 */
export function registerFile(lasting: boolean): string {
  const installed = join(dirname(process.execPath), '..', 'lib', 'zerodown', MODULE);
  // Next to an executable in a subdirectory of /tmp, the file may be one of another user.
  if (existsSync(installed) && distrust(dirname(installed)) === null) return installed;
  const contents = Object.keys(FILES).map((name) => Buffer.from(getAsset(name)));
  const hash = createHash('sha256');
  for (const content of contents) hash.update(content);
  const name = `register-${hash.digest('hex').slice(0, 16)}`;
  const folders = [{ mode: 0o711, path: () => defaultDataDirectory(name) }];
  // No instance has a name that begins with a dot.
  if (!lasting) folders.push({ mode: 0o755, path: () => join(defaultRoot(processOwner()), `.${name}`) });
  const problems: string[] = [];
  for (const { path, mode } of folders) {
    try {
      const folder = path();
      if (!existsSync(join(folder, MODULE))) write(folder, mode, contents);
      requireTrusted(folder);
      return join(folder, MODULE);
    } catch (error) {
      problems.push(errorText(error));
    }
  }
  throw new InstanceError(
    `cannot write the module for unchanged Node programs: ${problems.join('; ')}. Set XDG_STATE_HOME to a directory that this user can write to.`,
  );
}

/**
 * Writes all files or none: two processes may write them at the same time.
 * @param mode of a new directory above the folder
 */
function write(folder: string, mode: number, contents: readonly Buffer[]): void {
  makeOwnDirectory(dirname(folder), mode);
  const unfinished = mkdtempSync(`${folder}.`);
  try {
    for (const [index, file] of Object.values(FILES).entries()) {
      mkdirSync(dirname(join(unfinished, file)), { recursive: true });
      writeFileSync(join(unfinished, file), contents[index] ?? '');
    }
    chmodSync(unfinished, 0o755);
    renameSync(unfinished, folder);
  } catch (error) {
    if (!existsSync(join(folder, MODULE))) throw error;
  } finally {
    rmSync(unfinished, { recursive: true, force: true });
  }
}
