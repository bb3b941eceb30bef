import { fstatSync } from 'node:fs';
import type { Timers } from '../common/clock.ts';
import { reasonOf } from '../common/errors.ts';
import type { LoggingConfig } from '../config/schema.ts';
import type { Fact } from '../lifecycle/facts.ts';
import { fileTarget, targetOf, type WriteTarget } from '../writing/target.ts';
import { isWanted, type Level, levelOf } from './level.ts';
import { humanLine, jsonLine } from './lines.ts';
import { openLogSink } from './log-sink.ts';

/** The levels of syslog(3), by which journald classifies a line (sd-daemon(3)). */
const PRIORITIES: Record<Level, number> = { debug: 7, info: 6, warn: 4, error: 3 };

/**
 * Whether a descriptor leads to journald: `$JOURNAL_STREAM` is then its device and inode (systemd.exec(5)). The
 * variable alone proves nothing, because processes with another output inherit it.
 */
function isJournal(fd: number, stream: string | undefined): boolean {
  if (stream === undefined) return false;
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return stream === `${dev}:${ino}`;
}

/** The prefix of a line that journald removes and stores as its priority. */
function priorityPrefix(level: Level): string {
  return `<${PRIORITIES[level]}>`;
}

export interface LogOptions {
  readonly config: LoggingConfig;
  /**
   * The descriptor for lines without `logging.file`, or until that file can be opened again. The log checks here
   * whether it is a terminal.
   */
  readonly fd: number;
  /** `$JOURNAL_STREAM`; if omitted, `fd` does not lead to journald. */
  readonly journalStream?: string | undefined;
  /**
   * The target for `fd`. If omitted, the log writes to `fd`, and another writer would mix its lines with those of the
   * log.
   */
  readonly target?: WriteTarget;
  /** False with NO_COLOR (https://no-color.org). Only a terminal gets colour. */
  readonly colour: boolean;
  /** Epoch milliseconds. */
  readonly clock: () => number;
  readonly timers: Timers;
  /** Maximum bytes of waiting lines; for tests. */
  readonly limit?: number;
}

/** zero's own log: one line per fact. */
export interface Log {
  /** Cheap: the line is made and written at the end of this turn of the event loop. */
  write(fact: Fact): void;
  /**
   * Reopens `logging.file` after a rotation. Throws LogFileError; lines then go to `fd` until it succeeds, because the
   * old file may have been compressed or removed.
   */
  reopen(): void;
  /** Resolves when every line is written. */
  drained(): Promise<void>;
  /** Called from the `exit` event of the process. Writes for at most a fifth of a second. */
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

/** Throws LogFileError `open log file PATH: EACCES` if `logging.file` cannot be opened. */
export function createLog(options: LogOptions): Log {
  const { config, fd, target, journalStream, colour, clock, timers, limit } = options;
  const terminal = config.file === undefined && isTerminal(fd);
  const human = config.format === 'human' || (config.format === 'auto' && terminal);
  const journal = isJournal(fd, journalStream);
  let inFile = config.file !== undefined;
  const lineOf = (at: number, fact: Fact): string => {
    const prefix = journal && !inFile ? priorityPrefix(levelOf(fact)) : '';
    return `${prefix}${human ? humanLine(at, fact, colour && terminal) : jsonLine(at, fact)}\n`;
  };
  const openDescriptor = (): WriteTarget => target ?? targetOf(fd, 'main');
  const sink = openLogSink({
    target: config.file === undefined ? openDescriptor() : openFile(config.file),
    timers,
    limit,
    onFailed: (code) => complain(inFile ? config.file : undefined, fd, code, journal),
    dropNotice: (lines) =>
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
    for (const { at, fact } of lines) sink.write(Buffer.from(lineOf(at, fact)), sink);
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
      // Earlier lines belong to the previous target of the log.
      flushWaiting();
      try {
        sink.replace(openFile(config.file));
        inFile = true;
      } catch (error) {
        if (inFile) sink.replace(openDescriptor());
        inFile = false;
        throw error;
      }
    },
    async drained() {
      flushWaiting();
      await sink.flush();
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

function openFile(path: string): WriteTarget {
  try {
    return fileTarget(path);
  } catch (error) {
    const code = reasonOf(error);
    const advice = ADVICE[code];
    const why = advice === undefined ? code : `${code}: ${advice}`;
    throw new LogFileError(`open log file ${path}: ${why}`, { cause: error });
  }
}

/** Reports a failed log on zero's standard error. */
function complain(file: string | undefined, fd: number, code: string, journal: boolean): void {
  if (file === undefined) return;
  const prefix = journal ? priorityPrefix('error') : '';
  try {
    const target = targetOf(fd, 'main');
    target.writeNow?.(Buffer.from(`${prefix}zero: write log file ${file}: ${code}; trying again\n`));
    target.close();
  } catch {
    // No output is left to report this on.
  }
}

/**
 * isatty(3) without node:tty, which would load 300 KB of net. Major number 1 is /dev/null and similar devices
 * (devices.txt of the kernel).
 */
function isTerminal(fd: number): boolean {
  const stat = fstatSync(fd);
  return stat.isCharacterDevice() && major(stat.rdev) !== 1;
}

// gnu_dev_major(3): bits 8 to 19 of what fits in 32 bits.
function major(device: number): number {
  return (device >>> 8) & 0xfff;
}
