import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { errorCode } from '../../common/errors.ts';

/**
 * Makes a directory and those above it that are missing. Throws the file system's error: Node's own recursive mkdir says ENOENT where it
 * should say EROFS, for one (MKDirpSync in src/node_file.cc).
 */
export function makeDirectory(directory: string, mode: number): void {
  try {
    mkdirSync(directory, { recursive: true, mode });
  } catch (error) {
    if (errorCode(error) === 'ENOENT') mkdirSync(firstMissing(directory));
    throw error;
  }
}

function firstMissing(directory: string): string {
  const parent = path.dirname(directory);
  return parent === directory || existsSync(parent) ? directory : firstMissing(parent);
}
