import {
  appendFileSync,
  closeSync,
  constants,
  fstatSync,
  fsync,
  ftruncateSync,
  readSync,
  renameSync,
} from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { errorCode } from '../common/errors.ts';
import { statsOf } from '../common/files.ts';
import { makeOwnDirectory, openOwnFile, readOwnFile } from '../linux/files/own-files.ts';
import { withSpare } from '../linux/spare.ts';
import { lineReader, writeLine } from './format/format.ts';
import type { HistoryLine, NewLine } from './lines.ts';

/**
 * Bytes. A file of this size is renamed and replaces the previously renamed one. Each contains about three hundred
 * handovers, which take 15 ms to read.
 */
const MAX_SIZE = 256 * 1024;

/** The maximum number of lines in memory while the disk is not writable. */
const MAX_UNWRITTEN = 1000;

/** Bytes. Enough for the last hundred lines. */
const TAIL = 64 * 1024;

const NEWLINE = 10;

const sync = promisify(fsync);

export interface HistoryFileOptions {
  /** Milliseconds of the wall clock. */
  readonly clock: () => number;
  /**
   * Called once when the file cannot be written. The lines then stay in memory, and are written with the next one or by
   * `retry`.
   */
  readonly failed: (error: unknown, file: string) => void;
  /** Called when a line could be written again. */
  readonly recovered: () => void;
  /** Called when the file cannot be read, or cannot be synced to disk. */
  readonly warn: (error: unknown, file: string) => void;
  readonly limit?: number;
}

export interface HistoryContent {
  readonly lines: HistoryLine[];
  /** The number of damaged lines. */
  readonly torn: number;
  /** The versions of the lines that a newer zero wrote, one for each such line. */
  readonly newer: readonly number[];
}

/**
 * `history.jsonl` in the data directory: one JSON document per line, appended and never changed. Lines that cannot be
 * written stay in memory until the next successful write.
 */
export class HistoryFile {
  readonly file: string;
  readonly #options: HistoryFileOptions;
  #unwritten: HistoryLine[] = [];
  #broken = false;
  /** Stays open, so that a supervisor without a free descriptor can still write its history. */
  #fd: number | null = null;
  #synced: Promise<void> = Promise.resolve();

  constructor(dataDirectory: string, options: HistoryFileOptions) {
    this.file = path.join(dataDirectory, 'history.jsonl');
    this.#options = options;
  }

  append(lines: readonly NewLine[]): void {
    const at = new Date(this.#options.clock()).toISOString();
    this.#unwritten.push(...lines.map((line) => ({ at, ...line }) as HistoryLine));
    this.#unwritten = this.#unwritten.slice(-MAX_UNWRITTEN);
    if (this.#unwritten.length === 0) return;
    try {
      this.#flush();
    } catch (error) {
      const isFirst = !this.#broken;
      // Set before the report, because the report changes the state, which is written again.
      this.#broken = true;
      if (isFirst) this.#options.failed(error, this.file);
      return;
    }
    const wasBroken = this.#broken;
    this.#broken = false;
    if (wasBroken) this.#options.recovered();
  }

  /** Writes the pending lines again. Throws the error of fs. */
  retry(): void {
    if (this.#unwritten.length > 0) this.#flush();
    this.#broken = false;
  }

  #flush(): void {
    const text = this.#unwritten.map((line) => `${writeLine(line)}\n`).join('');
    withSpare(() => this.#write(text));
    this.#unwritten = [];
    this.#sync();
  }

  /** Resolves when the written lines are on disk, or the sync has failed. */
  synced(): Promise<void> {
    return this.#synced;
  }

  /** Every readable line, oldest first. Unreadable lines stay in the file. */
  read(): HistoryContent {
    const texts = [`${this.file}.1`, this.file].flatMap((file) => this.#readWhole(file).split('\n'));
    const found = texts.filter((text) => text !== '').map(lineReader());
    const lines = found.flatMap((one) => (one.kind === 'line' ? [one.line] : []));
    const newer = found.flatMap((one) => (one.kind === 'newer' ? [one.version] : []));
    const torn = found.filter(({ kind }) => kind === 'torn').length;
    return { lines: [...lines, ...this.#unwritten], torn, newer };
  }

  /**
   * The highest numbers near the end of the file; 0 for none. Torn lines and lines of a newer version count as well: in
   * every version a line has its generations in the fields `generation` and `incumbent`, and its handover in
   * `handover`.
   */
  highest(): { readonly generation: number; readonly handover: number } {
    const text = `${readTail(`${this.file}.1`)}\n${readTail(this.file)}`;
    return {
      generation: highestNumber(text, /"(?:generation|incumbent)":(\d{1,9})\b/g),
      handover: highestNumber(text, /"handover":(\d{1,9})\b/g),
    };
  }

  #readWhole(file: string): string {
    try {
      return readOwnFile(file);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT') this.#options.warn(error, file);
      return '';
    }
  }

  #write(text: string): void {
    makeOwnDirectory(path.dirname(this.file), 0o711);
    if ((statsOf(this.file)?.size ?? 0) > (this.#options.limit ?? MAX_SIZE))
      renameSync(this.file, `${this.file}.1`);
    appendWhole(this.#open(), text);
  }

  /** Opens the file at the path, which may have been replaced. */
  #open(): number {
    if (this.#fd !== null) {
      const [own, there] = [fstatSync(this.#fd), statsOf(this.file)];
      if (own.ino === there?.ino && own.dev === there.dev) return this.#fd;
      this.#close(this.#fd);
    }
    const { O_RDWR, O_APPEND, O_CREAT } = constants;
    this.#fd = openOwnFile(this.file, O_RDWR | O_APPEND | O_CREAT);
    return this.#fd;
  }

  #close(fd: number): void {
    this.#fd = null;
    this.#synced = this.#synced.then(() => closeSync(fd));
  }

  /**
   * Syncs in the background, because the disk may be slow. A power failure may leave the last line torn or missing,
   * which the reader detects.
   */
  #sync(): void {
    const fd = this.#fd;
    if (fd === null) return;
    this.#synced = this.#synced
      .then(() => sync(fd))
      .catch((error: unknown) => this.#options.warn(error, this.file));
  }
}

/**
 * Appends the whole text or nothing, on a line of its own. A full disk may write only the start of a line, and a crash
 * may leave one.
 */
function appendWhole(fd: number, text: string): void {
  const { size } = fstatSync(fd);
  const last = Buffer.alloc(1, NEWLINE);
  if (size > 0) readSync(fd, last, 0, 1, size - 1);
  try {
    appendFileSync(fd, last[0] === NEWLINE ? text : `\n${text}`);
  } catch (error) {
    ftruncateSync(fd, size);
    throw error;
  }
}

function highestNumber(text: string, number: RegExp): number {
  let highest = 0;
  for (const [, digits] of text.matchAll(number)) highest = Math.max(highest, Number(digits));
  return highest;
}

function readTail(file: string): string {
  let fd: number;
  try {
    fd = openOwnFile(file, constants.O_RDONLY);
  } catch {
    return '';
  }
  try {
    const { size } = fstatSync(fd);
    const start = Math.max(0, size - TAIL);
    const bytes = Buffer.alloc(size - start);
    return bytes.toString('latin1', 0, readSync(fd, bytes, 0, bytes.length, start));
  } catch {
    return '';
  } finally {
    closeSync(fd);
  }
}
