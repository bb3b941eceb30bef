import { type HistoryLine, lateOutcome, type Reason } from './lines.ts';
import type { KnownRelease, ReleaseRecord } from './release-record.ts';

/** The record of one generation. */
export interface HistoryEntry {
  readonly generation: number;
  /** When it was started. If that line is lost, the time of its first line. */
  readonly at: string;
  /** null if that line is lost. */
  release: ReleaseRecord | null;
  /** The label of the release; null: none. */
  label: string | null;
  sha256: string | null;
  /** Why there is no copy of its executable. */
  notKept: string | null;
  /** The handover that started it; null if not recorded. */
  handover: number | null;
  /** The generation whose release it was started from. */
  rollbackTo: number | null;
  /** null during its handover, or if its end was not recorded. */
  outcome: string | null;
  failure: Reason | null;
  /** The duration of its handover, in milliseconds. */
  duration: number | null;
  /** Milliseconds that it served, up to now for the one that serves; null if it never did. */
  served: number | null;
}

export interface History {
  /** Oldest first. */
  readonly entries: readonly HistoryEntry[];
  /** Generations in the order in which they began to serve. */
  readonly serves: readonly number[];
}

/**
 * Builds the entries from the lines of the file. `running`: the generation that serves now; `now` in milliseconds of
 * the wall clock.
 */
export function foldHistory(lines: readonly HistoryLine[], running: number | null, now: number): History {
  const entries = new Map<number, HistoryEntry>();
  const serves: { generation: number | null; at: number }[] = [];
  for (const line of lines) {
    if (line.event === 'stopped') serves.push({ generation: null, at: Date.parse(line.at) });
    else if (line.generation !== null) {
      const entry = entries.get(line.generation) ?? newEntry(line.generation, line.at);
      entries.set(line.generation, entry);
      if (line.event === 'serves') serves.push({ generation: line.generation, at: Date.parse(line.at) });
      else applyTo(entry, line);
    }
  }
  for (const [index, { generation, at }] of serves.entries()) {
    const entry = generation === null ? undefined : entries.get(generation);
    if (!entry) continue;
    // The end of a generation that served when zero was killed is unknown.
    const until = serves[index + 1]?.at ?? (generation === running ? now : at);
    // The wall clock may have been set back.
    entry.served = (entry.served ?? 0) + Math.max(0, until - at);
  }
  return {
    entries: [...entries.values()].sort((a, b) => a.generation - b.generation),
    serves: serves.map(({ generation }) => generation).filter((generation) => generation !== null),
  };
}

function newEntry(generation: number, at: string): HistoryEntry {
  return {
    generation,
    at,
    release: null,
    label: null,
    sha256: null,
    notKept: null,
    handover: null,
    rollbackTo: null,
    outcome: null,
    failure: null,
    duration: null,
    served: null,
  };
}

function applyTo(
  entry: HistoryEntry,
  line: Exclude<HistoryLine, { event: 'serves' } | { event: 'stopped' }>,
): void {
  switch (line.event) {
    case 'generation':
      entry.release = line.release;
      entry.rollbackTo = line.rollbackTo;
      entry.handover = line.handover ?? entry.handover;
      return;
    case 'handover':
      entry.handover = line.handover;
      entry.outcome = line.outcome;
      entry.failure = line.failure;
      entry.duration = line.duration;
      return;
    case 'rolled_back':
      entry.outcome = lateOutcome(line);
      entry.failure = line.failure;
      return;
    case 'label':
      entry.label = line.label;
      return;
    case 'executable':
      entry.sha256 = line.sha256;
      entry.notKept = line.notKept;
      return;
  }
}

/** The release of an entry; null if it is lost. */
export function knownRelease({ release, sha256 }: HistoryEntry): KnownRelease | null {
  return release && { release, sha256 };
}

/**
 * Why a generation is not a rollback target, regardless of its remaining files: it never served, or it was rolled back.
 * null for a valid target.
 */
export function whyUnproved(entry: HistoryEntry): string | null {
  const { served, outcome, failure } = entry;
  // The handover of a slow first generation has failed, and the generation may have served since.
  if (served !== null && (outcome === 'promoted' || outcome === 'failed' || outcome === null)) return null;
  if (outcome === null) return 'never served';
  return `${outcome === 'promoted' ? 'never served' : `was ${outcome.replaceAll('_', ' ')}`}${failure ? `: ${failure.reason}` : ''}`;
}

/** Hashes of the executables that served last without a rollback, newest first, each once. */
export function lastExecutables({ entries, serves }: History, count: number): string[] {
  const byGeneration = new Map(entries.map((entry) => [entry.generation, entry]));
  const hashes = new Set<string>();
  for (const generation of [...serves].reverse()) {
    const entry = byGeneration.get(generation);
    if (!entry?.sha256 || whyUnproved(entry) !== null) continue;
    if (hashes.size < count) hashes.add(entry.sha256);
  }
  return [...hashes];
}
