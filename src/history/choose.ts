import { type History, type HistoryEntry, knownRelease, whyUnproved } from './entries.ts';
import { isSameRelease, type KnownRelease, type ReleaseRecord } from './release-record.ts';

/** An earlier release, found and checked. */
export interface Earlier {
  /** The generation that ran it. */
  readonly generation: number;
  readonly record: ReleaseRecord;
  /** Its label; null without one. */
  readonly label: string | null;
  /** The executable: the original file, or its copy. */
  readonly executable: string;
  readonly directory: string;
}

/** There is no release to hand over to. The message is complete. */
export class RollbackError extends Error {}

const HINT = 'see "zero history"';

/**
 * The generation whose release is requested, or why there is none: that of `to`. With null it is the generation that
 * served last and ran another release than `current`.
 */
export function chooseEarlier(
  history: History,
  to: number | null,
  current: KnownRelease | null,
): HistoryEntry | string {
  return to === null ? servedBefore(history, current) : named(history, to);
}

function named({ entries }: History, to: number): HistoryEntry | string {
  const entry = entries.find(({ generation }) => generation === to);
  const [first, last] = [entries[0]?.generation, entries.at(-1)?.generation];
  if (!entry) {
    if (first === undefined) return `unknown generation ${to}: the history is empty`;
    return `unknown generation ${to}: the history has ${first} to ${last}: ${HINT}`;
  }
  const problem = whyUnproved(entry);
  return problem === null ? entry : `generation ${to} ${problem}: ${HINT}`;
}

function servedBefore({ entries, serves }: History, current: KnownRelease | null): HistoryEntry | string {
  const byGeneration = new Map(entries.map((entry) => [entry.generation, entry]));
  for (const generation of [...serves].reverse()) {
    const entry = byGeneration.get(generation);
    const release = entry && knownRelease(entry);
    if (!entry || !release || whyUnproved(entry) !== null) continue;
    if (!current || !isSameRelease(release, current)) return entry;
  }
  return serves.length === 0
    ? 'there is nothing to roll back to: no generation has served yet'
    : 'there is nothing to roll back to: every generation in the history ran the release that serves now';
}
