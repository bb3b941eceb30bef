import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { errorCode } from '../../common/errors.ts';

/**
 * Creates a directory and its missing parents. Throws the file system's error. Node's own recursive mkdir reports wrong
 * errors, for example ENOENT instead of EROFS (MKDirpSync in src/node_file.cc).
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
