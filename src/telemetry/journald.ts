import { fstatSync } from 'node:fs';
import type { Level } from './level.ts';

/** The levels of syslog(3) that journald knows a line by (sd-daemon(3)). */
const PRIORITIES: Record<Level, number> = { debug: 7, info: 6, warn: 4, error: 3 };

/**
 * True where a descriptor goes to journald: `$JOURNAL_STREAM` is then its device and inode (systemd.exec(5)). The variable alone says nothing,
 * because it is inherited by those whose output goes elsewhere.
 */
export function isJournal(fd: number, stream: string | undefined): boolean {
  if (stream === undefined) return false;
  const { dev, ino } = fstatSync(fd, { bigint: true });
  return stream === `${dev}:${ino}`;
}

/** What journald takes from the front of a line, and keeps as its priority. */
export function priorityPrefix(level: Level): string {
  return `<${PRIORITIES[level]}>`;
}
