import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { getAsset } from 'node:sea';
import { homeDirectory } from '../../common/files.ts';

/*
 * In the executable this module replaces the package koffi (scripts/executable.js), whose native part is an asset.
 * dlopen(3) needs a file on a file system that is not mounted noexec (mount(8)).
 */

const ASSET = 'koffi.node';

/**
 * The directories for the file, of which the first that works is used. The directory of the executable is never noexec.
 */
function directories(): readonly string[] {
  const { XDG_RUNTIME_DIR, XDG_STATE_HOME } = process.env;
  const own =
    process.geteuid?.() === 0 ? ['/run', '/var/lib'] : [XDG_STATE_HOME ?? '', homeDirectory() ?? ''];
  const all = [
    XDG_RUNTIME_DIR ?? '',
    ...own,
    tmpdir(),
    '/tmp',
    '/var/tmp',
    '/dev/shm',
    dirname(process.execPath),
  ];
  return [...new Set(all.filter((directory) => directory.startsWith('/')))];
}

/**
 * Loads the native part. zero cannot work without it, so this process exits with 1 and prints the reason if that fails.
 */
export function nativeOrExit(): unknown {
  try {
    return loadNative();
  } catch (error) {
    process.stderr.write(`zero: ${(error as Error).message}\n`);
    process.exit(1);
  }
}

/**
 * Writes the native part to a file in a new directory that only this user can enter, loads it, and removes both. Throws
 * an Error with every directory that was tried.
 */
function loadNative(): unknown {
  const content = Buffer.from(getAsset(ASSET));
  const tried: string[] = [];
  for (const parent of directories()) {
    try {
      return loadFrom(parent, content);
    } catch (error) {
      tried.push(`${parent}: ${reasonOf(error)}`);
    }
  }
  throw new Error(
    `cannot load the native library from any directory (${tried.join('; ')}). Mount one of them without noexec, or set TMPDIR to one that is.`,
  );
}

function loadFrom(parent: string, content: Buffer): unknown {
  const directory = mkdtempSync(join(parent, '.zero-'));
  try {
    const file = join(directory, ASSET);
    writeFileSync(file, content, { mode: 0o500 });
    const loaded = { exports: {} };
    process.dlopen(loaded, file);
    return loaded.exports;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code !== 'ERR_DLOPEN_FAILED') return code ?? message;
  // "FILE: failed to map segment from shared object": on a noexec mount mmap(2) with PROT_EXEC fails with EPERM.
  return /failed to map segment/.test(message) ? 'noexec' : message;
}
