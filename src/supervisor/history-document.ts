import type { HistoryDocument } from '../control/documents.ts';
import { PROTOCOL } from '../control/version.ts';
import { findRelease } from '../history/available.ts';
import { foldHistory, type HistoryEntry, whyUnproved } from '../history/entries.ts';
import type { Executables } from '../history/executables.ts';
import { endedHandovers, type RecordedHandover } from '../history/handovers.ts';
import type { HistoryLine } from '../history/lines.ts';

type GenerationDocument = HistoryDocument['generations'][number];
type HandoverDocument = NonNullable<HistoryDocument['handovers']>[number];

export interface HistoryView {
  readonly lines: readonly HistoryLine[];
  readonly executables: Pick<Executables, 'find'>;
  /** The generation that serves now; null where none does. */
  readonly serving: number | null;
  /** Milliseconds of the wall clock. */
  readonly now: number;
}

/** What `zero history` shows. */
export function historyDocument({ lines, executables, serving, now }: HistoryView): HistoryDocument {
  const { entries } = foldHistory(lines, serving, now);
  const generations = entries.map((entry) => ({
    ...entryDocument(entry),
    serving: entry.generation === serving,
    rollback: rollbackOf(entry, executables),
  }));
  return { version: PROTOCOL, generations, handovers: endedHandovers(lines).map(handoverDocument) };
}

function entryDocument(entry: HistoryEntry): Omit<GenerationDocument, 'serving' | 'rollback'> {
  const { generation, at, handover, rollbackTo, outcome, failure, duration, served, release, sha256 } = entry;
  return {
    generation,
    at,
    handover,
    rollback_to: rollbackTo,
    outcome,
    failure,
    duration_ms: duration,
    served_ms: served,
    release: release && { path: release.path, args: release.args, directory: release.directory, sha256 },
  };
}

function handoverDocument(ended: RecordedHandover): HandoverDocument {
  const { handover, at, outcome, generation, incumbent, duration: duration_ms, failure } = ended;
  return { handover, at, outcome, generation, incumbent, duration_ms, failure };
}

/** Where its release can be had from, as `zero history` says it. */
function rollbackOf(
  entry: HistoryEntry,
  executables: Pick<Executables, 'find'>,
): GenerationDocument['rollback'] {
  const unproved = whyUnproved(entry);
  if (unproved !== null) return { from: null, reason: `it ${unproved}` };
  const found = findRelease(entry, executables);
  return found.from === null ? { from: null, reason: found.reason } : { from: found.from, reason: null };
}
