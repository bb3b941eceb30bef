import type { Fact, Failure, Outcome } from '../lifecycle/facts.ts';
import type { ReleaseRecord } from './release-record.ts';

/** Why something failed; what a service wrote itself may hold secrets and stays out. */
export type Reason = Pick<Failure, 'step' | 'reason'>;

/** One line of the history file: what happened to a generation. `at` is wall-clock time (ISO 8601, UTC). */
export type HistoryLine = { readonly at: string } & (
  | {
      readonly event: 'generation';
      readonly generation: number;
      readonly rollback_to: number | null;
      readonly release: ReleaseRecord;
    }
  /** From here on this one serves. */
  | { readonly event: 'serves'; readonly generation: number }
  | {
      readonly event: 'handover';
      readonly handover: number;
      readonly outcome: Outcome;
      readonly generation: number | null;
      readonly incumbent: number | null;
      readonly duration: number;
      readonly failure: Reason | null;
    }
  /** After its handover was over. */
  | { readonly event: 'rolled_back'; readonly generation: number; readonly failure: Reason }
  /** The hash of its executable, and why that could not be kept. */
  | {
      readonly event: 'executable';
      readonly generation: number;
      readonly sha256: string | null;
      readonly not_kept: string | null;
    }
  | { readonly event: 'stopped' }
);

/** A line without its time. */
export type NewLine = HistoryLine extends infer L ? (L extends HistoryLine ? Omit<L, 'at'> : never) : never;

/** What a fact adds to the history; `serving` is the generation that served until then. */
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
      // In the soak the candidate served already.
      const back = serving !== null && incumbent !== null && incumbent !== serving;
      return [
        { ...line, duration: Math.round(duration), failure: reason },
        ...(back ? [{ event: 'serves', generation: incumbent } as const] : []),
      ];
    }
    case 'supervisor_stopped':
      return serving === null ? [] : [{ event: 'stopped' }];
    default:
      return [];
  }
}

function reasonOf({ step, reason }: Failure): Reason {
  return { step, reason };
}

/** A line of the file; null where it is none, because it was torn or is of another version. */
export function parseLine(text: string): HistoryLine | null {
  try {
    const value: unknown = JSON.parse(text);
    return isLine(value) ? value : null;
  } catch {
    return null;
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0;
const isText = (value: unknown): value is string => typeof value === 'string';
const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every(isText);
const orNull = (value: unknown, is: (value: unknown) => boolean): boolean => value === null || is(value);
const isReason = (value: unknown): boolean => isObject(value) && isText(value.step) && isText(value.reason);

function isLine(value: unknown): value is HistoryLine {
  if (!isObject(value) || !isText(value.at) || Number.isNaN(Date.parse(value.at))) return false;
  switch (value.event) {
    case 'generation':
      return isCount(value.generation) && orNull(value.rollback_to, isCount) && isRelease(value.release);
    case 'serves':
      return isCount(value.generation);
    case 'handover':
      return (
        isCount(value.handover) &&
        isText(value.outcome) &&
        orNull(value.generation, isCount) &&
        orNull(value.incumbent, isCount) &&
        typeof value.duration === 'number' &&
        orNull(value.failure, isReason)
      );
    case 'rolled_back':
      return isCount(value.generation) && isReason(value.failure);
    case 'executable':
      return (
        isCount(value.generation) &&
        orNull(value.sha256, (hash) => isText(hash) && /^[0-9a-f]{64}$/.test(hash)) &&
        orNull(value.not_kept, isText)
      );
    case 'stopped':
      return true;
    default:
      return false;
  }
}

const KINDS: readonly unknown[] = ['program', 'script', 'interpreter'];

function isRelease(value: unknown): value is ReleaseRecord {
  if (!isObject(value)) return false;
  const { path, args, directory, kind, device, inode, size, mtime_ms, environment } = value;
  const numbers = [device, inode, size, mtime_ms].every((one) => typeof one === 'number');
  const paths = isText(path) && path.startsWith('/') && isText(directory) && directory.startsWith('/');
  return paths && isTexts(args) && KINDS.includes(kind) && numbers && isTexts(environment);
}
