import { watch } from 'node:fs';
import { basename, dirname } from 'node:path';

export interface NameWatch {
  close(): void;
}

/**
 * Calls back when something has happened to a name in the directory of `path` that is `path` itself or one of its lanes'. Null where the
 * kernel grants no more watches (inotify(7): ENOSPC, EMFILE): names are then looked after only when somebody asks.
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
