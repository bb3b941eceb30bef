import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Releases in folders of their own, and a symlink `current` to one of them, as deploy tools keep them. */
export interface ReleaseFolders {
  /** The path of the symlink. */
  readonly current: string;
  /** The folder of a release, made with these files. */
  add(name: string, files: Readonly<Record<string, string>>): string;
  /** Leads `current` to a release, in one rename(2) as `ln -sfn` cannot. */
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
