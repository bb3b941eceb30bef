import type { Fact } from '../lifecycle/facts.ts';
import type { ScaleResult } from '../lifecycle/scale.ts';
import type { Verdict } from '../lifecycle/verdicts.ts';
import type { HistoryDocument, StatusDocument } from './protocol.ts';

export interface ReloadOptions {
  /** Wait in the preview until `zero promote`. */
  readonly preview: boolean;
  /** Abort the handover in progress first. */
  readonly replace: boolean;
  /** Limit for the handover, from now; null: none. */
  readonly timeoutMs: number | null;
  /** False: the caller does not wait for the verdict. */
  readonly wait: boolean;
  /** The name of the release; null for none. */
  readonly label: string | null;
}

/** The workers that received a signal. */
export interface Signalled {
  readonly generation: number;
  readonly workers: readonly { readonly worker: number; readonly pid: number }[];
}

export interface RollbackOptions {
  /** The generation whose release should serve; null: the release that served before. */
  readonly to: number | null;
  readonly timeoutMs: number | null;
}

export interface ScaleOptions {
  /** The requested number of workers of the serving generation; at least 1. */
  readonly workers: number;
  readonly timeoutMs: number | null;
}

export interface UpgradeOptions {
  /** Absolute path of the requested zero; null: the path with which the running one was started. */
  readonly path: string | null;
  /** The node that the caller runs; null if unknown. */
  readonly node: string | null;
  readonly timeoutMs: number | null;
}

/** The new program has passed its dry run and will replace this one, or the reason why not. */
export type UpgradeAnswer =
  | { readonly ok: true; readonly to: string; readonly node: string }
  | { readonly ok: false; readonly message: string };

/** Success, or the reason of a failure. */
export type Answer = { readonly ok: true } | { readonly ok: false; readonly message: string };

/** An accepted request. */
export interface Accepted {
  readonly ticket: string;
  /** The number of its handover; null if the supervisor failed to assign one. */
  readonly handover: number | null;
}

/** A handover that a caller waits for. */
export interface Awaited {
  readonly handover: number;
  /** Stops waiting for the verdict. */
  readonly cancel: () => void;
}

/** The requests to a supervisor over its control socket. */
export interface Control {
  /** The current state as plain data. */
  status(): StatusDocument;
  /** Whether the supervisor is started again when it is killed. */
  restarts(): boolean;
  /** Requests a handover. `onVerdict` is called once, possibly before this returns. */
  reload(options: ReloadOptions, onVerdict: (verdict: Verdict) => void): Accepted;
  /** Requests a handover to an earlier release, like `reload`. */
  rollback(options: RollbackOptions, onVerdict: (verdict: Verdict) => void): Accepted;
  /**
   * Calls `onVerdict` once with the verdict of a handover, possibly before this returns. `handover` null: the one in
   * progress, otherwise the last one.
   */
  wait(
    handover: number | null,
    onVerdict: (verdict: Verdict) => void,
  ): Awaited | { readonly refusal: string };
  /**
   * Changes the number of workers of the serving generation. `onResult` is called once, possibly before this returns.
   */
  scale(options: ScaleOptions, onResult: (result: ScaleResult) => void): { readonly ticket: string };
  /** The releases that served, and those that a rollback can use, as plain data. */
  history(): Promise<HistoryDocument>;
  promote(): Promise<Answer>;
  abort(): Promise<Answer>;
  stop(now: boolean): void;
  /** Replaces the program of this process by another zero. `onAnswer` is called once, before the replacement. */
  upgrade(options: UpgradeOptions, onAnswer: (answer: UpgradeAnswer) => void): void;
  /** Sends a signal to the workers of the serving generation, or returns the reason why there is none. */
  signal(signal: string): Signalled | { readonly refusal: string };
  /** Calls the listener for each fact until the returned function is called. */
  onFact(listener: (fact: Fact) => void): () => void;
}
