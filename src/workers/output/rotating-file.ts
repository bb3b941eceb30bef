import { constants, promises, type Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorCode } from '../../common/errors.ts';
import type { WriteDone, WriteTarget } from '../../writing/target.ts';

export interface RotatingFileLimits {
  /** Bytes of one file. */
  readonly size: number;
  /** Number of rotated files kept next to the current one. */
  readonly keep: number;
}

export interface RotatingFileOptions extends RotatingFileLimits {
  readonly path: string;
  /**
   * Called when the file could not be rotated: once, until it can. The current file keeps growing, and zero tries again
   * when it has grown by `size`.
   */
  readonly onNotRotated: (error: unknown) => void;
}

const NEWLINE = 10;
// O_NONBLOCK: opening a FIFO without a reader fails with ENXIO instead of waiting (open(2)).
const FLAGS =
  constants.O_RDWR | constants.O_APPEND | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const MODE = 0o640;

/**
 * A file that only zero writes to. When the next line does not fit, `PATH` becomes `PATH.1`, `PATH.1` becomes `PATH.2`
 * and so on. A rename loses no byte, because nothing is written until the new file is open. Files contain whole lines
 * and at most `size` bytes, except for a single longer line.
 */
export class RotatingFile implements WriteTarget {
  readonly #options: RotatingFileOptions;
  #limits: RotatingFileLimits;
  #file: FileHandle | null = null;
  #length = 0;
  /** The last written byte is not the end of a line. */
  #isInLine = false;
  /** The length at which the file is to be rotated next; above `size` after a failed rotation. */
  #limit: number;
  #reopen = false;
  /** The last rotation failed. */
  #isNotRotated = false;

  constructor(options: RotatingFileOptions) {
    this.#options = options;
    this.#limits = options;
    this.#limit = options.size;
  }

  get path(): string {
    return this.#options.path;
  }

  configure(limits: RotatingFileLimits): void {
    this.#limits = limits;
    this.#limit = limits.size;
  }

  /** Reopens the file by name before the next write, after another program has moved it. */
  reopen(): void {
    this.#reopen = true;
  }

  readonly write = (bytes: Buffer, done: WriteDone): void => {
    this.#write(bytes).then(
      (written) => done(null, written),
      (error: NodeJS.ErrnoException) => done(error, 0),
    );
  };

  /** Call this only when no write is in progress. */
  readonly close = (): void => {
    this.#closeFile().catch(() => {});
  };

  /** Writes the part that fits into one file: everything, or whole lines from its beginning. */
  async #write(bytes: Buffer): Promise<number> {
    if (this.#reopen) await this.#closeFile();
    this.#reopen = false;
    let file = this.#file ?? (await this.#open());
    if (this.#fitting(bytes) === 0 && (await this.#rotate())) file = await this.#open();
    // After a failed rotation, a file that is too long is better than a lost line.
    const count = this.#fitting(bytes) || lineEnd(bytes);
    const { bytesWritten } = await file.write(bytes, 0, count);
    this.#length += bytesWritten;
    if (bytesWritten > 0) this.#isInLine = bytes[bytesWritten - 1] !== NEWLINE;
    return bytesWritten;
  }

  /** Bytes of whole lines that fit into the file. A started line, and the first line of a file, always go into it. */
  #fitting(bytes: Buffer): number {
    const room = this.#limit - this.#length;
    if (bytes.length <= room) return bytes.length;
    const whole = room <= 0 ? 0 : bytes.lastIndexOf(NEWLINE, room - 1) + 1;
    return whole === 0 && (this.#isInLine || this.#length === 0) ? lineEnd(bytes) : whole;
  }

  async #open(): Promise<FileHandle> {
    const { path } = this.#options;
    const file = await promises.open(path, FLAGS, MODE);
    try {
      const stats = await file.stat();
      if (!stats.isFile()) throw notRegular(path);
      if (await endsInLine(file, stats)) {
        // A zero that was killed, or a full disk, left an unfinished line.
        await file.write('\n');
        this.#length = stats.size + 1;
      } else {
        this.#length = stats.size;
      }
    } catch (error) {
      await file.close();
      throw error;
    }
    this.#isInLine = false;
    this.#limit = this.#limits.size;
    this.#file = file;
    return file;
  }

  /** False if that is currently impossible. */
  async #rotate(): Promise<boolean> {
    const { path, onNotRotated } = this.#options;
    const { size, keep } = this.#limits;
    try {
      for (const number of await rotatedFiles(path)) {
        if (number >= keep) await promises.rm(`${path}.${number}`, { force: true });
        else await promises.rename(`${path}.${number}`, `${path}.${number + 1}`);
      }
      if (keep === 0) await promises.rm(path, { force: true });
      else await promises.rename(path, `${path}.1`);
    } catch (error) {
      // Already moved by another program. A new file is created.
      if (isMissing(error)) {
        this.#isNotRotated = false;
        await this.#closeFile();
        return true;
      }
      this.#limit = this.#length + size;
      if (!this.#isNotRotated) onNotRotated(error);
      this.#isNotRotated = true;
      return false;
    }
    this.#isNotRotated = false;
    await this.#closeFile();
    return true;
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.close();
  }
}

/** The numbers of the rotated files, largest (oldest) first. */
export async function rotatedFiles(path: string): Promise<number[]> {
  const prefix = `${basename(path)}.`;
  const names = await promises.readdir(dirname(path));
  return names
    .filter((name) => name.startsWith(prefix) && /^[1-9]\d{0,8}$/.test(name.slice(prefix.length)))
    .map((name) => Number(name.slice(prefix.length)))
    .sort((one, other) => other - one);
}

/** The name of a service's output file in its directory. */
export function outputFileIn(directory: string, instance: string): string {
  return join(directory, `${instance}.log`);
}

/** The end of the first line; of everything if there is no newline. */
function lineEnd(bytes: Buffer): number {
  return bytes.indexOf(NEWLINE) + 1 || bytes.length;
}

async function endsInLine(file: FileHandle, { size }: Stats): Promise<boolean> {
  if (size === 0) return false;
  const last = Buffer.alloc(1);
  await file.read(last, 0, 1, size - 1);
  return last[0] !== NEWLINE;
}

function notRegular(path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${path} is not a regular file`), { code: 'ENOTSUP' });
}

function isMissing(error: unknown): boolean {
  return errorCode(error) === 'ENOENT';
}
