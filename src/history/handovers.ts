import { type HistoryLine, lateOutcome, type Reason } from './lines.ts';

/** The recorded end of a handover. */
export interface RecordedHandover {
  readonly handover: number;
  /** When it ended: ISO 8601, UTC. */
  readonly at: string;
  readonly outcome: string;
  readonly generation: number | null;
  readonly incumbent: number | null;
  /** Milliseconds. */
  readonly duration: number;
  readonly failure: Reason | null;
}

/**
 * The ended handovers, oldest first, each number once. A generation that failed after its promotion, before the old one
 * was asked to stop, counts as rolled back, and one that was aborted then as aborted.
 */
export function endedHandovers(lines: readonly HistoryLine[]): RecordedHandover[] {
  const ended = new Map<number, RecordedHandover>();
  for (const [index, line] of lines.entries()) {
    if (line.event === 'handover') {
      const { handover, at, outcome, generation, incumbent, duration, failure } = line;
      // Supervisors of earlier versions of zero started again at 1: the newest one counts.
      ended.delete(handover);
      ended.set(handover, { handover, at, outcome, generation, incumbent, duration, failure });
    } else if (line.event === 'rolled_back') {
      const of = [...ended.values()].findLast(({ generation }) => generation === line.generation);
      if (of?.outcome !== 'promoted') continue;
      const next = lines[index + 1];
      const incumbent = next?.event === 'serves' ? next.generation : null;
      ended.set(of.handover, { ...of, outcome: lateOutcome(line), incumbent, failure: line.failure });
    }
  }
  return [...ended.values()];
}
