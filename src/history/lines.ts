import type { Fact, Failure } from '../lifecycle/facts.ts';
import type { ReleaseRecord } from './release-record.ts';

/** Why something failed. The output of the service may hold secrets and is not recorded. */
export interface Reason {
  readonly step: string;
  readonly reason: string;
}

/** An event of a generation, independent of the file's format. `at` is wall-clock time (ISO 8601, UTC). */
export type HistoryLine = { readonly at: string } & (
  | {
      readonly event: 'generation';
      readonly generation: number;
      readonly rollbackTo: number | null;
      /** The handover that started it; omitted if not recorded. */
      readonly handover?: number;
      readonly release: ReleaseRecord;
    }
  /** This generation serves from now on. */
  | { readonly event: 'serves'; readonly generation: number }
  | {
      readonly event: 'handover';
      readonly handover: number;
      /** Any text: a later zero may add outcomes. */
      readonly outcome: string;
      readonly generation: number | null;
      readonly incumbent: number | null;
      /** Milliseconds. */
      readonly duration: number;
      readonly failure: Reason | null;
    }
  /** A rollback after the end of its handover, or `zero abort` then: see lateOutcome(). */
  | { readonly event: 'rolled_back'; readonly generation: number; readonly failure: Reason }
  /** The hash of its executable, and why that could not be kept. */
  | {
      readonly event: 'executable';
      readonly generation: number;
      readonly sha256: string | null;
      readonly notKept: string | null;
    }
  /** The label of its release. */
  | { readonly event: 'label'; readonly generation: number; readonly label: string }
  | { readonly event: 'stopped' }
);

/** The outcome of a handover, and of its generation, after the line `rolled_back`. */
export function lateOutcome({ failure }: { readonly failure: Reason }): 'rolled_back' | 'aborted' {
  return failure.step === 'abort' ? 'aborted' : 'rolled_back';
}

/** A line without its time. */
export type NewLine = HistoryLine extends infer L ? (L extends HistoryLine ? Omit<L, 'at'> : never) : never;

/** The lines that a fact adds to the history. `serving` is the generation that served until then. */
export function linesOf(fact: Fact, serving: number | null): NewLine[] {
  switch (fact.event) {
    case 'generation_promoted':
      return [{ event: 'serves', generation: fact.generation }];
    case 'generation_rolled_back':
      return [
        { event: 'rolled_back', generation: fact.generation, failure: reasonOf(fact.failure) },
        { event: 'serves', generation: fact.incumbent },
      ];
    case 'handover_finished': {
      const { handover, outcome, generation, incumbent, duration, failure } = fact;
      const reason = failure && reasonOf(failure);
      const line = { event: 'handover', handover, outcome, generation, incumbent } as const;
      // The candidate already served in the soak.
      const back = serving !== null && incumbent !== null && incumbent !== serving;
      return [
        { ...line, duration: Math.round(duration), failure: reason },
        ...(back ? [{ event: 'serves', generation: incumbent } as const] : []),
      ];
    }
    case 'release_labelled':
      return [{ event: 'label', generation: fact.generation, label: fact.label }];
    case 'supervisor_stopped':
      return serving === null ? [] : [{ event: 'stopped' }];
    default:
      return [];
  }
}

function reasonOf({ step, reason }: Failure): Reason {
  return { step, reason };
}
