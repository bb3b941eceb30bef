import { fstatSync } from 'node:fs';
import type { Timers } from '../common/clock.ts';
import { reasonOf } from '../common/errors.ts';
import type { LoggingConfig } from '../config/schema.ts';
import type { Fact } from '../lifecycle/facts.ts';
import { isWanted, type Level, levelOf } from './level.ts';
import { LineSink } from './line-sink.ts';
import { humanLine, jsonLine } from './lines.ts';
import { fileWriter, type Writer, writerFor } from './writer.ts';

/** The levels of syslog(3) that journald knows a line by (sd-daemon(3)). */
const PRIORITIES: Record<Level, number> = { debug: 7, info: 6, warn: 4, error: 3 };

/**
 * True where a descriptor goes to journald: `$JOURNAL_STREAM` is then its device and inode (systemd.exec(5)). The variable alone says nothing,
 * because it is inherited by those whose output goes elsewhere.
 */
function isJournal(fd: number, stream: string | undefined): boolean {
  if (stream === undefined) return false;
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return stream === `${dev}:${ino}`;
}

/** What journald takes from the front of a line, and keeps as its priority. */
function priorityPrefix(level: Level): string {
  return `<${PRIORITIES[level]}>`;
}

export interface LogOptions {
  readonly config: LoggingConfig;
  /** Where lines go without `logging.file`, or as long as that cannot be opened again: whether it is a terminal is seen here. */
  readonly fd: number;
  /** `$JOURNAL_STREAM`; left out: `fd` is not journald's. */
  readonly journalStream?: string | undefined;
  /** How they get there; left out: written to `fd`, which nobody else may write to then without tearing lines. */
  readonly writer?: Writer;
  /** False with NO_COLOR (https://no-color.org); colour is on a terminal only. */
  readonly colour: boolean;
  /** Epoch milliseconds. */
  readonly clock: () => number;
  readonly timers: Timers;
  /** Bytes that may wait; for tests. */
  readonly limit?: number;
}

/** zero's own log: a line a fact. */
export interface Log {
  /** Costs next to nothing: the line is made and written at the end of this turn of the event loop. */
  write(fact: Fact): void;
  /**
   * Opens `logging.file` again after a rotation. Throws LogFileError; then lines go to `fd` until it succeeds: the old file may be
   * compressed or gone by now.
   */
  reopen(): void;
  /** Resolves when everything is written. */
  drained(): Promise<void>;
  /** From the `exit` event of the process: writes what can be written within a fifth of a second. */
  flushNow(): void;
  close(): void;
}

/** `logging.file` cannot be opened; the message says why. */
export class LogFileError extends Error {}

const EXIT_BUDGET = 200;

const ADVICE: Readonly<Record<string, string>> = {
  ENOENT: 'its directory does not exist',
  ENOTDIR: 'a part of the path is not a directory',
  EISDIR: 'it is a directory',
  EACCES: 'this user may not write to it or create it',
  ELOOP: 'it is a symbolic link in a directory that other users may write to',
  EROFS: 'its file system is read-only',
  ENXIO: 'it is a pipe without a reader',
};

/** Throws LogFileError `open log file PATH: EACCES` where `logging.file` cannot be opened. */
export function createLog(options: LogOptions): Log {
  const { config, fd, writer, journalStream, colour, clock, timers, limit } = options;
  const terminal = config.file === undefined && isTerminal(fd);
  const human = config.format === 'human' || (config.format === 'auto' && terminal);
  const journal = isJournal(fd, journalStream);
  let inFile = config.file !== undefined;
  const lineOf = (at: number, fact: Fact): string => {
    const prefix = journal && !inFile ? priorityPrefix(levelOf(fact)) : '';
    return `${prefix}${human ? humanLine(at, fact, colour && terminal) : jsonLine(at, fact)}\n`;
  };
  const sink = new LineSink({
    writer: config.file === undefined ? (writer ?? writerFor(fd)) : openFile(config.file),
    timers,
    ...(limit === undefined ? {} : { limit }),
    failed: (error) => complain(inFile ? config.file : undefined, fd, error, journal),
    dropped: (lines) =>
      lineOf(clock(), {
        event: 'warning',
        about: 'log',
        message: `${lines} lines of this log were dropped: its reader is too slow`,
      }),
  });

  let waiting: { at: number; fact: Fact }[] = [];
  let scheduled: NodeJS.Immediate | null = null;
  const flush = (): void => {
    scheduled = null;
    const lines = waiting;
    waiting = [];
    for (const { at, fact } of lines) sink.write(lineOf(at, fact));
  };
  const flushWaiting = (): void => {
    if (scheduled) clearImmediate(scheduled);
    flush();
  };

  return {
    write(fact) {
      if (!isWanted(levelOf(fact), config.level)) return;
      waiting.push({ at: clock(), fact });
      scheduled ??= setImmediate(flush);
    },
    reopen() {
      if (config.file === undefined) return;
      // What happened before belongs to where the log was then.
      flushWaiting();
      try {
        sink.replace(openFile(config.file));
        inFile = true;
      } catch (error) {
        if (inFile) sink.replace(writer ?? writerFor(fd));
        inFile = false;
        throw error;
      }
    },
    drained() {
      flushWaiting();
      return sink.drained();
    },
    flushNow() {
      flushWaiting();
      sink.flushNow(EXIT_BUDGET);
    },
    close() {
      flushWaiting();
      sink.close();
    },
  };
}

function openFile(path: string): Writer {
  try {
    return fileWriter(path);
  } catch (error) {
    const code = reasonOf(error);
    const advice = ADVICE[code];
    const why = advice === undefined ? code : `${code}: ${advice}`;
    throw new LogFileError(`open log file ${path}: ${why}`, { cause: error });
  }
}

/** A log that cannot be written says so where it can: on zero's standard error. */
function complain(
  file: string | undefined,
  fd: number,
  error: NodeJS.ErrnoException,
  journal: boolean,
): void {
  if (file === undefined) return;
  const prefix = journal ? priorityPrefix('error') : '';
  try {
    const writer = writerFor(fd);
    writer.writeNow(Buffer.from(`${prefix}zero: write log file ${file}: ${reasonOf(error)}; trying again\n`));
    writer.close();
  } catch {
    // There is nowhere left to say it.
  }
}

/** isatty(3) without node:tty, which would load 300 KB of net. Major number 1 is /dev/null and its like (devices.txt of the kernel). */
function isTerminal(fd: number): boolean {
  const stat = fstatSync(fd);
  return stat.isCharacterDevice() && major(stat.rdev) !== 1;
}

// gnu_dev_major(3): bits 8 to 19 of what fits in 32 bits.
function major(device: number): number {
  return (device >>> 8) & 0xfff;
}
