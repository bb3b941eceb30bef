import { type Stats, statSync } from 'node:fs';
import type { FileIdentity } from './release-record.ts';

/** What a path leads to; null where there is nothing, or it cannot be looked at. */
export function statsOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}

/** What identifies the file at a path now; null for none. Times in milliseconds. */
export function fileAt(path: string): (FileIdentity & { readonly device: number }) | null {
  const stats = statsOf(path);
  return stats && { device: stats.dev, inode: stats.ino, size: stats.size, mtime_ms: stats.mtimeMs };
}
