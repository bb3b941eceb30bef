import { watch } from 'node:fs';
import { basename, dirname } from 'node:path';

export interface NameWatch {
  close(): void;
}

/**
 * Calls back when `path` or the name of one of its lanes changes in the directory. Null where the kernel grants no more
 * watches (inotify(7): ENOSPC, EMFILE): the names are then only checked on request.
 */
export function watchNames(path: string, onChange: () => void): NameWatch | null {
  const name = basename(path);
  try {
    const watcher = watch(dirname(path), { persistent: false }, (_event, changed) => {
      if (changed === null || changed === name || changed.startsWith(`.${name}.`)) onChange();
    });
    // The directory itself was removed.
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    return null;
  }
}
