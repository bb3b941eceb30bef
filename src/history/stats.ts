import { type Stats, statSync } from 'node:fs';

/** What a path leads to; null where there is nothing, or it cannot be looked at. */
export function statsOf(path: string): Stats | null {
  try {
    return statSync(path);
  } catch {
    return null;
  }
}
