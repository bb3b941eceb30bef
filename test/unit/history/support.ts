import { statSync } from 'node:fs';
import { foldHistory, type History } from '../../../src/history/entries.ts';
import type { HistoryLine, NewLine } from '../../../src/history/lines.ts';
import type { ReleaseRecord } from '../../../src/history/release-record.ts';

export const RELEASE: ReleaseRecord = {
  path: '/srv/app/server',
  args: ['--fast'],
  directory: '/srv/app',
  kind: 'program',
  device: 1,
  inode: 10,
  size: 1000,
  mtime_ms: 5,
  environment: ['PATH'],
};

export const HASH = (digit: string): string => digit.repeat(64);

/** One line per second, starting at noon. */
export function timed(lines: readonly NewLine[]): HistoryLine[] {
  const noon = Date.parse('2026-11-24T12:00:00Z');
  return lines.map(
    (line, index) => ({ at: new Date(noon + index * 1000).toISOString(), ...line }) as HistoryLine,
  );
}

/** The history one minute after noon. `running` serves. */
export function historyOf(lines: readonly NewLine[], running: number | null = null): History {
  return foldHistory(timed(lines), running, Date.parse('2026-11-24T12:01:00Z'));
}

/** A promoted generation: three lines. */
export function served(generation: number, changes: Partial<ReleaseRecord> = {}): NewLine[] {
  const release = { ...RELEASE, inode: 10 + generation, ...changes };
  return [
    { event: 'generation', generation, rollbackTo: null, release },
    { event: 'serves', generation },
    {
      event: 'handover',
      handover: generation,
      outcome: 'promoted',
      generation,
      incumbent: generation,
      duration: 100,
      failure: null,
    },
  ];
}

/** The record of an existing file. */
export function recordOfFile(path: string, changes: Partial<ReleaseRecord> = {}): ReleaseRecord {
  const { dev, ino, size, mtimeMs } = statSync(path);
  return { ...RELEASE, path, directory: '/', device: dev, inode: ino, size, mtime_ms: mtimeMs, ...changes };
}
