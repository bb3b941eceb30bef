import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Release directories, and a symlink `current` to one of them, as deploy tools create them. */
export interface ReleaseFolders {
  /** The path of the symlink. */
  readonly current: string;
  /** Creates the directory of a release with these files. Returns its path. */
  add(name: string, files: Readonly<Record<string, string>>): string;
  /** Points `current` to a release with one rename(2), which `ln -sfn` does not do. */
  use(name: string): void;
  /** Removes an old release. */
  prune(name: string): void;
}

export function releaseFolders(folder: string): ReleaseFolders {
  const current = join(folder, 'current');
  return {
    current,
    add(name, files) {
      const release = join(folder, 'releases', name);
      mkdirSync(release, { recursive: true });
      for (const [file, text] of Object.entries(files))
        writeFileSync(join(release, file), text, { mode: 0o755 });
      return release;
    },
    use(name) {
      symlinkSync(join('releases', name), `${current}.new`);
      renameSync(`${current}.new`, current);
    },
    prune: (name) => rmSync(join(folder, 'releases', name), { recursive: true }),
  };
}
