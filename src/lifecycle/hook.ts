import type { HookName, Outcome, ReplacementCause } from './facts.ts';

/** `of`: whose config has the command, a generation's or, before there is one, what was prepared for the handover. */
export interface RunHook {
  readonly type: 'run_hook';
  readonly hook: number;
  readonly name: HookName;
  readonly of: { readonly generation: number } | { readonly handover: number };
  /** The handover that it belongs to; null for what happens outside of one. */
  readonly handover: number | null;
  /** The generation that it is about, and what that one runs. */
  readonly generation: number;
  readonly path: string;
  /** Who serves meanwhile. */
  readonly incumbent: number | null;
  readonly outcome: Outcome | 'replaced' | null;
  /** Of `on_replace`: the worker that was to be replaced, the place of the new one, and why. */
  readonly replacement?: {
    readonly worker: number;
    readonly replacement: number;
    readonly cause: ReplacementCause;
    readonly reason: string;
  };
  /** Of the other notifications. */
  readonly notice?: Notice;
}

/** What a notification is about. */
export interface Notice {
  /** null: no worker in particular. */
  readonly worker: number | null;
  /** The step that failed, such as `verify`; null: none did. */
  readonly cause: string | null;
  /** A sentence. */
  readonly reason: string;
}
