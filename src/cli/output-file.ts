import { type FSWatcher, watch } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errorCode } from '../common/errors.ts';
import { type OutputLine, parseOutputLine } from '../workers/output/output-line.ts';
import { rotatedFiles } from '../workers/output/rotating-file.ts';
import type { OutputPrinter } from './render/output.ts';

/** The lines to show; null: all. */
export interface OutputFilter {
  readonly generation: number | null;
  readonly worker: number | null;
  /** Milliseconds since 1970. */
  readonly since: number | null;
  /** The number of last lines. */
  readonly lines: number | null;
}

export interface OutputReader {
  readonly print: OutputPrinter['print'];
  /** Resolves to false if the output has no reader any more. */
  readonly taken: () => Promise<boolean>;
  /** Called when files were rotated away before they could be read. */
  readonly missed: () => void;
}

const NEWLINE = 10;
const CHUNK = 256 * 1024;

/** One file of the service's output: reads its current content, and later additions from there. */
class OpenFile {
  readonly inode: number;
  readonly modified: number;
  readonly #handle: FileHandle;
  #at = 0;
  /** The beginning of an incomplete line. */
  #rest: Buffer = Buffer.alloc(0);

  private constructor(
    handle: FileHandle,
    { ino, mtimeMs }: { readonly ino: number; readonly mtimeMs: number },
  ) {
    this.#handle = handle;
    this.inode = ino;
    this.modified = mtimeMs;
  }

  /** null if the file does not exist. Throws the file system's error otherwise. */
  static async open(path: string): Promise<OpenFile | null> {
    try {
      const handle = await open(path, 'r');
      return new OpenFile(handle, await handle.stat());
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return null;
      throw error;
    }
  }

  /** The complete lines that were not read before, in portions. */
  async *portions(): AsyncGenerator<OutputLine[]> {
    for (;;) {
      const { bytesRead, buffer } = await this.#handle.read(Buffer.allocUnsafe(CHUNK), 0, CHUNK, this.#at);
      if (bytesRead === 0) return;
      this.#at += bytesRead;
      const bytes = Buffer.concat([this.#rest, buffer.subarray(0, bytesRead)]);
      const lines: OutputLine[] = [];
      let from = 0;
      for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, from)) {
        const line = parseOutputLine(bytes.subarray(from, end));
        from = end + 1;
        if (line !== null) lines.push(line);
      }
      this.#rest = bytes.subarray(from);
      yield lines;
    }
  }

  rewind(): void {
    this.#at = 0;
    this.#rest = Buffer.alloc(0);
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}

/**
 * The current file and the rotated files, the newest first. They are opened in this order because a rotation moves a
 * file to a larger number: no file is missed, and a file that appears twice is skipped.
 */
async function openFiles(path: string): Promise<OpenFile[]> {
  const files: OpenFile[] = [];
  const add = async (name: string): Promise<boolean> => {
    const file = await OpenFile.open(name);
    if (file === null) return false;
    if (files.some(({ inode }) => inode === file.inode)) await file.close();
    else files.push(file);
    return true;
  };
  try {
    await add(path);
    const [last = 0] = await rotatedFiles(path);
    for (let number = 1; (await add(`${path}.${number}`)) || number < last; number += 1);
  } catch (error) {
    await closeAll(files);
    throw error;
  }
  return files;
}

async function closeAll(files: readonly OpenFile[]): Promise<void> {
  await Promise.all(files.map((file) => file.close()));
}

function isWanted(line: OutputLine, { generation, worker, since }: OutputFilter): boolean {
  return (
    (generation === null || line.generation === generation) &&
    (worker === null || line.worker === worker) &&
    (since === null || line.time >= since)
  );
}

/** Reads the output files of a service: their current content, and with `follow` the additions. */
export class OutputFile {
  readonly #path: string;
  readonly #filter: OutputFilter;
  readonly #reader: OutputReader;
  readonly #watcher: FSWatcher | null;
  #changed = false;
  #wake: () => void = () => {};
  #current: OpenFile | null = null;

  /** @param path of the current file. Throws the file system's error if its directory cannot be watched. */
  constructor(path: string, filter: OutputFilter, reader: OutputReader, follow: boolean) {
    this.#path = path;
    this.#filter = filter;
    this.#reader = reader;
    // Created before the first read, so that no change is missed in between.
    this.#watcher = follow ? watch(dirname(path), () => this.#change()) : null;
    this.#watcher?.on('error', () => {});
  }

  /**
   * Shows the content of the files. False if the output has no reader any more. Rejects with the file system's error.
   */
  async show(): Promise<boolean> {
    const newestFirst = await openFiles(this.#path);
    try {
      const { since } = this.#filter;
      const recent = newestFirst.filter(({ modified }) => since === null || modified >= since);
      const { files, skip } = await this.#last(recent);
      let left = skip;
      for (const file of files.reverse()) {
        const isTaken = await this.#drain(file, ({ isPartial }) => {
          if (left === 0) return true;
          if (!isPartial) left -= 1;
          return false;
        });
        if (!isTaken) return false;
      }
      // The newest file is followed.
      if (this.#watcher !== null) this.#current = newestFirst.shift() ?? null;
      return true;
    } finally {
      await closeAll(newestFirst);
    }
  }

  /** Shows additions until `ended` resolves, and then the rest. False if the output has no reader any more. */
  async follow(ended: Promise<void>): Promise<boolean> {
    let isOver = false;
    const end = ended.finally(() => {
      isOver = true;
      this.#change();
    });
    // A failure is thrown below, after the rest was shown.
    end.catch(() => {});
    for (;;) {
      const last = isOver;
      this.#changed = false;
      if (!(await this.#showMore())) return false;
      if (last) break;
      if (!this.#changed) await new Promise<void>((resolve) => this.#waitWith(resolve));
    }
    await end;
    return true;
  }

  close(): void {
    this.#watcher?.close();
    void this.#current?.close();
    this.#current = null;
  }

  #change(): void {
    this.#changed = true;
    this.#wake();
  }

  #waitWith(wake: () => void): void {
    this.#wake = wake;
  }

  async #showMore(): Promise<boolean> {
    for (;;) {
      if (!(await this.#drain(this.#current))) return false;
      const inode = await inodeOf(this.#path);
      if (inode === null || inode === this.#current?.inode) return true;
      // A file receives no more lines after it was renamed, so this reads everything from before the renaming.
      if (!(await this.#drain(this.#current))) return false;
      for (const file of await this.#newer()) {
        await this.#current?.close();
        this.#current = file;
        if (!(await this.#drain(file))) return false;
      }
    }
  }

  /** The files that are newer than the current one, the oldest first. */
  async #newer(): Promise<OpenFile[]> {
    const files = await openFiles(this.#path);
    const at = files.findIndex(({ inode }) => inode === this.#current?.inode);
    if (at === -1 && this.#current !== null) this.#reader.missed();
    const newer = at === -1 ? files : files.slice(0, at);
    await closeAll(files.filter((file) => !newer.includes(file)));
    return newer.reverse();
  }

  /** Shows the selected lines that were not read before. False if the output has no reader any more. */
  async #drain(file: OpenFile | null, isShown: (line: OutputLine) => boolean = () => true): Promise<boolean> {
    if (file === null) return true;
    for await (const lines of file.portions()) {
      for (const line of lines) if (isWanted(line, this.#filter) && isShown(line)) this.#print(line);
      if (!(await this.#reader.taken())) return false;
    }
    return true;
  }

  /** The files with the last selected lines, the newest first, and how many lines of the oldest file to skip. */
  async #last(
    newestFirst: readonly OpenFile[],
  ): Promise<{ readonly files: OpenFile[]; readonly skip: number }> {
    const { lines } = this.#filter;
    if (lines === null) return { files: [...newestFirst], skip: 0 };
    const files: OpenFile[] = [];
    let total = 0;
    for (const file of newestFirst) {
      if (total >= lines) break;
      files.push(file);
      for await (const portion of file.portions())
        total += portion.filter((line) => !line.isPartial && isWanted(line, this.#filter)).length;
      file.rewind();
    }
    return { files, skip: Math.max(0, total - lines) };
  }

  #print({ time, text, isPartial, ...source }: OutputLine): void {
    const bytes = isPartial ? text : Buffer.concat([text, Buffer.of(NEWLINE)]);
    this.#reader.print({ ...source, time: new Date(time).toISOString(), bytes });
  }
}

async function inodeOf(path: string): Promise<number | null> {
  try {
    return (await stat(path)).ino;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}
