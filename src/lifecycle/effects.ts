import type { Rollback, WorkerKey } from './events.ts';
import type { ExitStatus, Fact } from './facts.ts';
import type { RunHook } from './hook.ts';
import type { Verdict } from './state.ts';
import type { Steering } from './steering.ts';

/** Everything the core can ask of the shell, performed in order. */
export type Effect =
  /** Read the config, find the release, bind the listeners; answered by `resolved` or `resolve_failed`. */
  | { readonly type: 'resolve'; readonly handover: number; readonly rollback: Rollback | null }
  /** What `resolve` prepared for this handover belongs to this generation from now on. */
  | { readonly type: 'adopt'; readonly handover: number; readonly generation: number }
  /** What `resolve` prepared is not wanted any more. */
  | { readonly type: 'discard'; readonly handover: number }
  /** Start the process on its lane, and its gates; answered by `spawned` or `spawn_failed`. */
  | ({ readonly type: 'spawn'; readonly lane: number; readonly relief: boolean } & WorkerKey)
  /** A process that listened with a backlog of its own is there, or was: the listeners take their configured one again. */
  | { readonly type: 'listen_again'; readonly generation: number }
  /** A candidate was promoted. */
  | { readonly type: 'promoted'; readonly generation: number }
  | ({ readonly type: 'signal'; readonly pid: number; readonly signal: string } & WorkerKey)
  /** SIGKILL to the worker and all of its session. */
  | ({ readonly type: 'kill'; readonly pid: number } & WorkerKey)
  /** SIGKILL to what outlived the worker. */
  | ({ readonly type: 'kill_leftovers' } & WorkerKey)
  /** The generation's last process is gone: let go of everything that was held for it. */
  | { readonly type: 'release'; readonly generation: number }
  /** From now on, until said otherwise: new connections go there. */
  | { readonly type: 'steer'; readonly steering: Steering }
  /** From now on exactly these lanes' queues are watched; a connection in one is a `lane_queued`, none at the beginning a `lane_empty`. */
  | { readonly type: 'attend'; readonly lanes: readonly number[] }
  /** From now on exactly these workers are read again and again; each reading is a `drain_report`. */
  | { readonly type: 'drain'; readonly workers: readonly WorkerKey[] }
  /** From now on exactly these workers are watched for hanging; one that does is `stalled`. */
  | { readonly type: 'watch_stalls'; readonly workers: readonly WorkerKey[] }
  /** From now on this generation is verified; a failure is a `verify_failed`. */
  | { readonly type: 'verify'; readonly generation: number | null }
  /** Exactly these lanes are made ready to be given to workers, as far as there is time: one that is not is when it is given. */
  | { readonly type: 'prepare_lanes'; readonly lanes: readonly number[] }
  /** Start a hook of the config; answered by `hook_finished`, also after `kill_hook`. */
  | RunHook
  /** SIGKILL to a hook and all of its session. */
  | { readonly type: 'kill_hook'; readonly hook: number }
  | { readonly type: 'report'; readonly fact: Fact }
  | { readonly type: 'verdict'; readonly tickets: readonly string[]; readonly verdict: Verdict }
  /** The answer to `promote` or `abort`: null, or why nothing was done. */
  | { readonly type: 'answer'; readonly ticket: string; readonly refusal: string | null }
  /** The supervisor leaves, as this process did: its code, or 128 + the signal's number. */
  | { readonly type: 'exit'; readonly exit: ExitStatus };
