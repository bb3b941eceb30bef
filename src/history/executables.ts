import fs from 'node:fs';
import path from 'node:path';
import { makeOwnDirectory } from '../linux/files/own-files.ts';
import { isSameFile, type ReleaseRecord, statsOf } from './release-record.ts';

/** How many executables that served are kept. */
export const KEPT = 3;

/** SHA-256 of what a descriptor can read from its position on, as 64 hex digits; away from the main thread. */
export type Hash = (fd: number, pace: 'idle' | 'fast') => Promise<string>;

const { COPYFILE_EXCL, COPYFILE_FICLONE, O_NOFOLLOW, O_RDONLY } = fs.constants;
/** Into a new file: nothing that is in its place is written to. */
const COPY_NEW = COPYFILE_FICLONE | COPYFILE_EXCL;

/** The executable of a release is not what it was. */
export class ExecutableError extends Error {}

/**
 * Copies of executables, `executables/HASH/NAME` in the data directory. The name stays because programs look at it (busybox); others may
 * pass through the folders, because a service may run as another user, and the file has the owner and permissions of the original, without
 * set-user-ID.
 */
export class Executables {
  readonly #folder: string;
  readonly #hash: Hash;
  /** Copies whose bytes were compared, and what the files were then. */
  readonly #intact = new Map<string, string>();
  /** Copies and removals happen one after the other. */
  #work: Promise<unknown> = Promise.resolve();

  constructor(dataDirectory: string, hash: Hash) {
    this.#folder = path.join(dataDirectory, 'executables');
    this.#hash = hash;
  }

  /** The copy of an executable; null where there is none, or one of another size. */
  find(sha256: string, original: string, size: number): string | null {
    const copy = this.#place(sha256, original);
    const stats = statsOf(copy);
    return stats?.isFile() && stats.size === size ? copy : null;
  }

  /**
   * Whether a copy still has the bytes that were copied. Throws where it cannot be read.
   * @param compare `once`: not again where they were compared before and the file was not written to since
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

  /** The hash of a release's executable, `source` being a descriptor of it. Throws ExecutableError where it was written to. */
  hash(source: number, release: ReleaseRecord): Promise<string> {
    return this.#next(async () => {
      const sha256 = await this.#hash(source, 'idle');
      refuseChanged(source, release);
      return sha256;
    });
  }

  /**
   * Copies an executable, if it is not there yet, as a reflink where the file system can. Throws ExecutableError or what the file system
   * says; nothing half is left then.
   */
  keep(source: number, release: ReleaseRecord, sha256: string): Promise<void> {
    return this.#next(async () => {
      if (this.find(sha256, release.path, release.size) === null) await this.#copy(source, release, sha256);
    });
  }

  /** Removes all but those that `isWanted` wants, which is asked right before each is removed. */
  prune(isWanted: (hash: string) => boolean): Promise<void> {
    return this.#next(async () => {
      this.#intact.clear();
      for (const name of await fs.promises.readdir(this.#folder).catch(() => [])) {
        if (!isWanted(name))
          await fs.promises.rm(path.join(this.#folder, name), { recursive: true, force: true });
      }
    });
  }

  /** The hash under which a file is kept; null for one that is no copy. */
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
      // By its descriptor: the path may be another file by now. The kernel copies (ioctl_ficlone(2), else copy_file_range(2)).
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

/** A file whose stamp is the same was not written to: only the kernel sets st_ctime (inode(7)). */
function stampOf(fd: number): string {
  const { dev, ino, size, mtimeNs, ctimeNs } = fs.fstatSync(fd, { bigint: true });
  return [dev, ino, size, mtimeNs, ctimeNs].join(' ');
}

/** Permissions, owner, and on the disk. Only root may give files away, and only a service of root's is run as somebody else. */
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
