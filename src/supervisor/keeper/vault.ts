import type { WorkerKey } from '../../lifecycle/events.ts';

/** An effect that is being performed. `key`: the worker, or the number of a hook. `signal`: of type `signal` only. */
export interface Intent {
  readonly type: 'spawn' | 'signal' | 'kill' | 'run_hook';
  readonly key: WorkerKey | number;
  readonly signal?: string;
}

/**
 * Memory that outlives the supervisor with the keeper: the newest state, what each generation was made of, and the
 * effects that are being performed. Nothing of it reaches a disk.
 */
export interface Vault {
  readonly fd: number;
  /** The text of a state document. Throws what fs does. The intents noted so far belong to it: none is left. */
  writeState(text: string, sequence: number): void;
  writeGenerations(bytes: Buffer): void;
  /** Adds effects that are going to be performed. Never throws: a loss is one signal or process looked for in vain. */
  note(intents: readonly Intent[]): void;
  close(): void;
}

/** What a dead supervisor left in its vault. */
export interface VaultContent {
  readonly state: { readonly text: string; readonly sequence: number } | null;
  readonly generations: Buffer | null;
  /** Effects that were ordered after `state` was written. */
  readonly intents: readonly Intent[];
}
