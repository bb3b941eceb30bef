import type { HookName, Outcome, ReplacementCause } from './facts.ts';

/**
 * `of`: the owner of the config with the command: a generation or, before one exists, the handover's prepared release.
 */
export interface RunHook {
  readonly type: 'run_hook';
  readonly hook: number;
  readonly name: HookName;
  readonly of: { readonly generation: number } | { readonly handover: number };
  /** The handover of the hook; null for a hook outside of one. */
  readonly handover: number | null;
  /** The generation that the hook is about, and the path of its release. */
  readonly generation: number;
  readonly path: string;
  /** The generation that serves meanwhile. */
  readonly incumbent: number | null;
  readonly outcome: Outcome | 'replaced' | null;
  /** For `on_replace`: the worker to be replaced, the new worker, and the reason. */
  readonly replacement?: {
    readonly worker: number;
    readonly replacement: number;
    readonly cause: ReplacementCause;
    readonly reason: string;
  };
  /** For the other notifications. */
  readonly notice?: Notice;
}

/** The subject of a notification. */
export interface Notice {
  /** null: no specific worker. */
  readonly worker: number | null;
  /** The failed step, such as `verify`; null: none failed. */
  readonly cause: string | null;
  /** A sentence. */
  readonly reason: string;
}
