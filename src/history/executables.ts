import fs from 'node:fs';
import path from 'node:path';
import { statsOf } from '../common/files.ts';
import { makeOwnDirectory } from '../linux/files/own-files.ts';
import { isSameFile, type ReleaseRecord } from './release-record.ts';

/** The number of executables to keep. */
export const KEPT = 3;

/** SHA-256 of a descriptor's content from its position on, as 64 hex digits. Must not run on the main thread. */
export type Hash = (fd: number, pace: 'idle' | 'fast') => Promise<string>;

const { COPYFILE_EXCL, COPYFILE_FICLONE, O_NOFOLLOW, O_RDONLY } = fs.constants;
/** Copies only into a new file and never overwrites an existing one. */
const COPY_NEW = COPYFILE_FICLONE | COPYFILE_EXCL;

/** The executable of a release has changed. */
export class ExecutableError extends Error {}

/**
 * Copies of executables, `executables/HASH/NAME` in the data directory. A copy keeps its name because programs check it
 * (busybox). Other users may traverse the directories, because a service may run as another user. A copy has the owner
 * and permissions of the original, without set-user-ID.
 */
export class Executables {
  readonly #folder: string;
  readonly #hash: Hash;
  /** Copies whose bytes were compared, with their stamp at that time. */
  readonly #intact = new Map<string, string>();
  /** Copies and removals are made one after the other. */
  #work: Promise<unknown> = Promise.resolve();

  constructor(dataDirectory: string, hash: Hash) {
    this.#folder = path.join(dataDirectory, 'executables');
    this.#hash = hash;
  }

  /** The copy of an executable; null if there is none, or one of another size. */
  find(sha256: string, original: string, size: number): string | null {
    const copy = this.#place(sha256, original);
    const stats = statsOf(copy);
    return stats?.isFile() && stats.size === size ? copy : null;
  }

  /**
   * Whether a copy still has its original bytes. Throws if it cannot be read.
   * @param compare `once`: skips the comparison if an earlier one passed and the file was not written to since
   */
  async isIntact(copy: string, sha256: string, compare: 'always' | 'once' = 'always'): Promise<boolean> {
    const fd = await open(copy);
    try {
      const stamp = stampOf(fd);
      if (compare === 'once' && this.#intact.get(copy) === stamp) return true;
      const isIntact = (await this.#hash(fd, 'fast')) === sha256;
      if (isIntact) this.#intact.set(copy, stamp);
      else this.#intact.delete(copy);
      return isIntact;
    } finally {
      fs.closeSync(fd);
    }
  }

  /**
   * The hash of a release's executable. Throws ExecutableError if the file was written to.
   * @param source a descriptor of the executable
   */
  hash(source: number, release: ReleaseRecord): Promise<string> {
    return this.#next(async () => {
      const sha256 = await this.#hash(source, 'idle');
      refuseChanged(source, release);
      return sha256;
    });
  }

  /**
   * Copies an executable if there is no copy yet, as a reflink where the file system supports it. Throws
   * ExecutableError or the file system's error, and leaves no partial copy then.
   */
  keep(source: number, release: ReleaseRecord, sha256: string): Promise<void> {
    return this.#next(async () => {
      if (this.find(sha256, release.path, release.size) === null) await this.#copy(source, release, sha256);
    });
  }

  /** Removes all copies except those that `isWanted` accepts. Calls it right before each removal. */
  prune(isWanted: (hash: string) => boolean): Promise<void> {
    return this.#next(async () => {
      this.#intact.clear();
      for (const name of await fs.promises.readdir(this.#folder).catch(() => [])) {
        if (!isWanted(name))
          await fs.promises.rm(path.join(this.#folder, name), { recursive: true, force: true });
      }
    });
  }

  /** The hash of a kept file; null for any other file. */
  hashOf(executable: string): string | null {
    const relative = path.relative(this.#folder, executable).split(path.sep);
    return relative.length === 2 && relative[0] !== '..' ? (relative[0] ?? null) : null;
  }

  async #copy(source: number, release: ReleaseRecord, sha256: string): Promise<void> {
    makeOwnDirectory(this.#folder, 0o711);
    const temporary = path.join(this.#folder, `.new-${sha256}`);
    const file = path.join(temporary, path.basename(release.path));
    const { promises } = fs;
    try {
      await promises.rm(temporary, { recursive: true, force: true });
      await promises.mkdir(temporary, { mode: 0o711 });
      // Copies from the descriptor, because the path may now name another file. The kernel copies (ioctl_ficlone(2),
      // else copy_file_range(2)).
      await promises.copyFile(`/proc/self/fd/${source}`, file, COPY_NEW);
      refuseChanged(source, release);
      await finish(file, fs.fstatSync(source));
      const place = path.dirname(this.#place(sha256, release.path));
      await promises.rm(place, { recursive: true, force: true });
      await promises.rename(temporary, place);
    } catch (error) {
      await promises.rm(temporary, { recursive: true, force: true }).catch(() => {});
      throw error;
    }
  }

  #place(sha256: string, original: string): string {
    return path.join(this.#folder, sha256, path.basename(original));
  }

  #next<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#work.then(work);
    this.#work = result.catch(() => {});
    return result;
  }
}

/** A file with the same stamp was not written to: only the kernel sets st_ctime (inode(7)). */
function stampOf(fd: number): string {
  const { dev, ino, size, mtimeNs, ctimeNs } = fs.fstatSync(fd, { bigint: true });
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}

/**
 * Sets permissions and owner, and syncs the file to disk. Only root may change the owner of a file, and only a service
 * of root runs as another user.
 */
async function finish(file: string, original: fs.Stats): Promise<void> {
  const handle = await fs.promises.open(file, O_RDONLY | O_NOFOLLOW);
  try {
    if (process.geteuid?.() === 0) await handle.chown(original.uid, original.gid);
    await handle.chmod(original.mode & 0o777);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function refuseChanged(source: number, release: ReleaseRecord): void {
  const { ino, size, mtimeMs } = fs.fstatSync(source);
  if (!isSameFile({ inode: ino, size, mtime_ms: mtimeMs }, release))
    throw new ExecutableError(`${release.path} was written to after it was started`);
}

function open(file: string): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.open(file, O_RDONLY | O_NOFOLLOW, (error, fd) => (error ? reject(error) : resolve(fd)));
  });
}
