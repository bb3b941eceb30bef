import type { Timeline } from '../../admin/dashboard/source.ts';
import type { HistoryDocument } from '../../control/documents.ts';
import { PROTOCOL } from '../../control/version.ts';
import { foldHistory, type HistoryEntry } from '../../history/entries.ts';
import { endedHandovers, type RecordedHandover } from '../../history/handovers.ts';
import type { HistoryLine } from '../../history/lines.ts';
import { rollbackTarget, type TargetContext, type TargetOptions } from '../../history/target.ts';

type GenerationDocument = HistoryDocument['generations'][number];
type HandoverDocument = NonNullable<HistoryDocument['handovers']>[number];

export interface HistoryView {
  readonly lines: readonly HistoryLine[];
  readonly targets: TargetContext;
  readonly isIntact: TargetOptions['isIntact'];
  /** The generation that serves now; null for none. */
  readonly serving: number | null;
  /** The generation whose time of serving has not ended: the one that serves, also while zero stops it. */
  readonly running: number | null;
  /** Milliseconds of the wall clock. */
  readonly now: number;
}

/** The document that `zero history` shows. */
export async function historyDocument(view: HistoryView): Promise<HistoryDocument> {
  const { lines, serving, running, now } = view;
  const generations: GenerationDocument[] = [];
  // One after the other, because several generations can share one copy, which is compared once.
  for (const entry of foldHistory(lines, running, now).entries)
    generations.push({
      ...entryDocument(entry),
      serving: entry.generation === serving,
      rollback: await rollbackOf(entry, view),
    });
  return { version: PROTOCOL, generations, handovers: endedHandovers(lines).map(handoverDocument) };
}

/** The history without its rollback targets, which require file access. */
export function timelineOf(lines: readonly HistoryLine[], running: number | null, now: number): Timeline {
  return {
    generations: foldHistory(lines, running, now).entries.map(entryDocument),
    handovers: endedHandovers(lines).map(handoverDocument),
  };
}

function entryDocument(entry: HistoryEntry): Omit<GenerationDocument, 'serving' | 'rollback'> {
  const { generation, at, handover, rollbackTo, outcome, failure, duration, served, release, label, sha256 } =
    entry;
  return {
    generation,
    at,
    handover,
    rollback_to: rollbackTo,
    outcome,
    failure,
    duration_ms: duration,
    served_ms: served,
    release: release && {
      path: release.path,
      args: release.args,
      directory: release.directory,
      sha256,
      ...(label !== null && { label }),
    },
  };
}

function handoverDocument(ended: RecordedHandover): HandoverDocument {
  const { handover, at, outcome, generation, incumbent, duration: duration_ms, failure } = ended;
  return { handover, at, outcome, generation, incumbent, duration_ms, failure };
}

/** The release that a rollback to this entry would run. */
async function rollbackOf(
  entry: HistoryEntry,
  { targets, isIntact }: HistoryView,
): Promise<GenerationDocument['rollback']> {
  const found = await rollbackTarget(entry, targets, { isIntact });
  return found.from === null ? { from: null, reason: found.reason } : { from: found.from, reason: null };
}
