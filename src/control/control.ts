import type { Fact } from '../lifecycle/facts.ts';
import type { ScaleResult } from '../lifecycle/scale.ts';
import type { Verdict } from '../lifecycle/verdicts.ts';
import type { HistoryDocument, StatusDocument } from './protocol.ts';

export interface ReloadOptions {
  /** Stop at the preview until somebody says promote. */
  readonly preview: boolean;
  /** Abort the handover in progress first. */
  readonly replace: boolean;
  /** From now until it is given up; null for never. */
  readonly timeoutMs: number | null;
  /** False: nobody waits for the verdict. */
  readonly wait: boolean;
  /** The name of the release; null for none. */
  readonly label: string | null;
}

/** Who got a signal. */
export interface Signalled {
  readonly generation: number;
  readonly workers: readonly { readonly worker: number; readonly pid: number }[];
}

export interface RollbackOptions {
  /** The generation whose release is to serve; null for the release that served before. */
  readonly to: number | null;
  readonly timeoutMs: number | null;
}

export interface ScaleOptions {
  /** How many workers the generation that serves is to have; at least 1. */
  readonly workers: number;
  readonly timeoutMs: number | null;
}

export interface UpgradeOptions {
  /** Absolute path of the zero that is wanted; null for the path by which the running one was started. */
  readonly path: string | null;
  /** The node that the caller runs; null where it is not known. */
  readonly node: string | null;
  readonly timeoutMs: number | null;
}

/** The new program has passed its dry run and replaces this one next; or why not. */
export type UpgradeAnswer =
  | { readonly ok: true; readonly to: string; readonly node: string }
  | { readonly ok: false; readonly message: string };

/** Whether it was done, or why not. */
export type Answer = { readonly ok: true } | { readonly ok: false; readonly message: string };

/** A request that was taken. */
export interface Accepted {
  readonly ticket: string;
  /** The number of its handover; null where the supervisor failed to give it one. */
  readonly handover: number | null;
}

/** A handover that is waited for. */
export interface Awaited {
  readonly handover: number;
  /** Its verdict is not wanted any more. */
  readonly cancel: () => void;
}

/** What can be asked of a supervisor over its control socket. */
export interface Control {
  /** Everything as it is now: plain data. */
  status(): StatusDocument;
  /** Whether the supervisor is started again when it is killed. */
  restarts(): boolean;
  /** Asks for a handover. `onVerdict` is called once, at the earliest while this runs. */
  reload(options: ReloadOptions, onVerdict: (verdict: Verdict) => void): Accepted;
  /** The same, to an earlier release. */
  rollback(options: RollbackOptions, onVerdict: (verdict: Verdict) => void): Accepted;
  /**
   * Calls `onVerdict` once with the verdict of a handover, at the earliest while this runs. `handover` null: the one in
   * progress, otherwise the one that ended last.
   */
  wait(
    handover: number | null,
    onVerdict: (verdict: Verdict) => void,
  ): Awaited | { readonly refusal: string };
  /**
   * Changes the number of workers of the generation that serves. `onResult` is called once, at the earliest while this
   * runs.
   */
  scale(options: ScaleOptions, onResult: (result: ScaleResult) => void): { readonly ticket: string };
  /** What served, and what can be gone back to: plain data. */
  history(): Promise<HistoryDocument>;
  promote(): Promise<Answer>;
  abort(): Promise<Answer>;
  stop(now: boolean): void;
  /** Replaces the program of this process by another zero. `onAnswer` is called once, before that happens. */
  upgrade(options: UpgradeOptions, onAnswer: (answer: UpgradeAnswer) => void): void;
  /** Sends a signal to the workers of the generation that serves; or says why there is nobody. */
  signal(signal: string): Signalled | { readonly refusal: string };
  /** Tells everything that happens from now on, until the function that is returned is called. */
  onFact(listener: (fact: Fact) => void): () => void;
}
