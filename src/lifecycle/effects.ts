import type { Rollback, StallWatch, WorkerKey } from './events.ts';
import type { ExitStatus, Fact } from './facts.ts';
import type { RunHook } from './hook.ts';
import type { ScaleResult } from './scale.ts';
import type { Steering } from './steering.ts';
import type { Verdict } from './verdicts.ts';

/** What zero writes down. */
export type StoredFile = 'state' | 'history';

/**
 * Everything the core can ask of the shell, performed in order. `resolve`, `spawn` and `run_hook` have answers of their
 * own. Every other effect that touches the kernel or a disk is answered by `done` or `failed` (AnsweredEffect).
 */
export type Effect =
  /** Read the config, find the release, bind the listeners; answered by `resolved` or `resolve_failed`. */
  | { readonly type: 'resolve'; readonly handover: number; readonly rollback: Rollback | null }
  /** What `resolve` prepared for this handover belongs to this generation from now on. */
  | { readonly type: 'adopt'; readonly handover: number; readonly generation: number }
  /** What `resolve` prepared is not wanted any more. */
  | { readonly type: 'discard'; readonly handover: number }
  /**
   * Start the process on its lane, and its gates; answered by `spawned` or `spawn_failed`. `joins`: it is added to the
   * generation that serves, so another executable than that of the generation is a failure.
   */
  | ({
      readonly type: 'spawn';
      readonly lane: number;
      readonly relief: boolean;
      readonly joins: boolean;
    } & WorkerKey)
  /**
   * A process that listened with a backlog of its own is there, or was: the listeners take their configured one again.
   */
  | { readonly type: 'listen_again'; readonly generation: number }
  /**
   * A worker exited or is ready: look for lanes that a service shut down, and for sockets on the address that are no
   * lanes.
   */
  | { readonly type: 'inspect_lanes' }
  /** A candidate was promoted. */
  | { readonly type: 'promoted'; readonly generation: number }
  | ({ readonly type: 'signal'; readonly pid: number; readonly signal: string } & WorkerKey)
  /** SIGKILL to the worker and all of its session. */
  | ({ readonly type: 'kill'; readonly pid: number } & WorkerKey)
  /** SIGKILL to what outlived the worker. */
  | ({ readonly type: 'kill_leftovers' } & WorkerKey)
  /** The generation's last process has exited: release everything that was held for it. */
  | { readonly type: 'release'; readonly generation: number }
  /** From now on, until said otherwise: new connections go there. `change` counts these effects. */
  | { readonly type: 'steer'; readonly change: number; readonly steering: Steering }
  /**
   * From now on exactly these lanes' queues are watched; a connection in one is a `lane_queued`, none at the beginning
   * a `lane_empty`. Of the lanes in `shared` workers of other lanes may have a socket, too, and accept from it.
   */
  | { readonly type: 'attend'; readonly lanes: readonly number[]; readonly shared: readonly number[] }
  /** From now on exactly these workers are read again and again; each reading is a `drain_report`. */
  | { readonly type: 'drain'; readonly workers: readonly WorkerKey[] }
  /** From now on exactly these workers are watched. One that hangs is `stalled`, and `recovered` when it accepts again. */
  | { readonly type: 'watch_stalls'; readonly workers: readonly StallWatch[] }
  /** From now on the memory of exactly these workers is read; one that stays above its limit is `memory_exceeded`. */
  | { readonly type: 'watch_memory'; readonly workers: readonly WorkerKey[] }
  /** From now on exactly these workers, all of one generation, are checked; each round is a `liveness`. */
  | { readonly type: 'check_liveness'; readonly workers: readonly WorkerKey[] }
  /** From now on this generation is verified; each check is a `verify_checked`, a failure a `verify_failed`. */
  | { readonly type: 'verify'; readonly generation: number | null }
  /**
   * Exactly these lanes are made ready to be given to workers, as far as there is time: one that is not is when it is
   * given.
   */
  | { readonly type: 'prepare_lanes'; readonly lanes: readonly number[] }
  /** The keeper process holds the sockets of this version of the set from now on. */
  | { readonly type: 'keep_sockets'; readonly version: number }
  /** Start a hook of the config; answered by `hook_finished`, also after `kill_hook`. */
  | RunHook
  /** SIGKILL to a hook and all of its session. */
  | { readonly type: 'kill_hook'; readonly hook: number }
  /** Write a file that could not be written. */
  | { readonly type: 'write'; readonly file: StoredFile }
  | { readonly type: 'report'; readonly fact: Fact }
  /** A request was taken: its verdict is that of the handover with this number. */
  | { readonly type: 'accepted'; readonly ticket: string; readonly handover: number }
  /** The answer to these callers. */
  | { readonly type: 'verdict'; readonly tickets: readonly string[]; readonly verdict: Verdict }
  /** The answer to `scale`. */
  | { readonly type: 'scaled'; readonly ticket: string; readonly result: ScaleResult }
  /** The last word on a handover, or on a request that never became one; its number is in the verdict. */
  | { readonly type: 'concluded'; readonly verdict: Verdict }
  /** The answer to `promote` or `abort`: null, or why nothing was done. */
  | { readonly type: 'answer'; readonly ticket: string; readonly refusal: string | null }
  /** The supervisor exits as this process did: with its code, or 128 + the signal's number. */
  | { readonly type: 'exit'; readonly exit: ExitStatus };

type OwnAnswer = 'resolve' | 'spawn' | 'run_hook';
type NeverFails = 'report' | 'accepted' | 'verdict' | 'concluded' | 'scaled' | 'answer' | 'exit';

/** An effect that is answered by `done` or `failed`. */
export type AnsweredEffect = Exclude<Effect, { readonly type: OwnAnswer | NeverFails }>;
