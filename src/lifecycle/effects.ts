import type { LivenessWatch, Rollback, StallWatch, WorkerKey } from './events.ts';
import type { ExitStatus, Fact } from './facts.ts';
import type { RunHook } from './hook.ts';
import type { ScaleResult } from './scale.ts';
import type { Steering } from './steering.ts';
import type { Verdict } from './verdicts.ts';

/** The files that zero writes. */
export type StoredFile = 'state' | 'history';

/**
 * All effects that the core can request from the shell, performed in order. `resolve`, `spawn` and `run_hook` have
 * their own answers. Every other effect that touches the kernel or a disk is answered by `done` or `failed`
 * (AnsweredEffect).
 */
export type Effect =
  /** Read the config, find the release, bind the listeners; answered by `resolved` or `resolve_failed`. */
  | { readonly type: 'resolve'; readonly handover: number; readonly rollback: Rollback | null }
  /** The result of `resolve` for this handover belongs to this generation from now on. */
  | { readonly type: 'adopt'; readonly handover: number; readonly generation: number }
  /** Discard the result of `resolve`. */
  | { readonly type: 'discard'; readonly handover: number }
  /**
   * Start the process on its lane, and its gates; answered by `spawned` or `spawn_failed`. `joins`: it is added to the
   * serving generation, so a different executable than the generation's is a failure.
   */
  | ({
      readonly type: 'spawn';
      readonly lane: number;
      readonly rescue: boolean;
      readonly joins: boolean;
    } & WorkerKey)
  /**
   * A process that listens, or listened, with a backlog of its own may have changed it: set the configured one again.
   */
  | { readonly type: 'listen_again'; readonly generation: number }
  /** A worker exited or is ready. Check for lanes that a service shut down, and for foreign sockets on the address. */
  | { readonly type: 'inspect_lanes' }
  /** A candidate was promoted. */
  | { readonly type: 'promoted'; readonly generation: number }
  | ({ readonly type: 'signal'; readonly pid: number; readonly signal: string } & WorkerKey)
  /** SIGKILL to the worker and all of its session. */
  | ({ readonly type: 'kill'; readonly pid: number } & WorkerKey)
  /** SIGKILL to the remaining processes of the worker. */
  | ({ readonly type: 'kill_leftovers' } & WorkerKey)
  /** The generation's last process has exited: release everything that was held for it. */
  | { readonly type: 'release'; readonly generation: number }
  /** Send new connections there until the next `steer`. `change` counts these effects. */
  | { readonly type: 'steer'; readonly change: number; readonly steering: Steering }
  /**
   * Watch the queues of exactly these lanes from now on. A connection in one is a `lane_queued`; an empty queue at the
   * beginning is a `lane_empty`. Workers of other lanes may share the socket of a lane in `shared`, and accept from it.
   */
  | { readonly type: 'attend'; readonly lanes: readonly number[]; readonly shared: readonly number[] }
  /** Read exactly these workers repeatedly from now on; each reading is a `drain_report`. */
  | { readonly type: 'drain'; readonly workers: readonly WorkerKey[] }
  /** Watch exactly these workers from now on. A hung one is `stalled`, and `recovered` when it accepts again. */
  | { readonly type: 'watch_stalls'; readonly workers: readonly StallWatch[] }
  /** Read the memory of exactly these workers from now on. One that stays above its limit is `memory_exceeded`. */
  | { readonly type: 'watch_memory'; readonly workers: readonly WorkerKey[] }
  /** Check exactly these workers, all of one generation, from now on; each round is a `liveness`. */
  | { readonly type: 'check_liveness'; readonly workers: readonly LivenessWatch[] }
  /** Verify this generation from now on; each check is a `verify_checked`, a failure a `verify_failed`. */
  | { readonly type: 'verify'; readonly generation: number | null }
  /** Prepare exactly these lanes for workers, as time permits. An unprepared lane is prepared when a worker gets it. */
  | { readonly type: 'prepare_lanes'; readonly lanes: readonly number[] }
  /** Make the keeper process hold the sockets of this version of the set. */
  | { readonly type: 'keep_sockets'; readonly version: number }
  /** Start a hook of the config; answered by `hook_finished`, also after `kill_hook`. */
  | RunHook
  /** SIGKILL to a hook and all of its session. */
  | { readonly type: 'kill_hook'; readonly hook: number }
  /** Write a file again after a failed write. */
  | { readonly type: 'write'; readonly file: StoredFile }
  | { readonly type: 'report'; readonly fact: Fact }
  /** A request was accepted. Its verdict is that of the handover with this number. */
  | { readonly type: 'accepted'; readonly ticket: string; readonly handover: number }
  /** The answer to these callers. */
  | { readonly type: 'verdict'; readonly tickets: readonly string[]; readonly verdict: Verdict }
  /** The answer to `scale`. */
  | { readonly type: 'scaled'; readonly ticket: string; readonly result: ScaleResult }
  /** The final result of a handover, or of a request that never became one. The verdict contains the number. */
  | { readonly type: 'concluded'; readonly verdict: Verdict }
  /** The answer to `promote` or `abort`: null, or why nothing was done. */
  | { readonly type: 'answer'; readonly ticket: string; readonly refusal: string | null }
  /** The supervisor exits like this process did: with its code, or 128 + the signal's number. */
  | { readonly type: 'exit'; readonly exit: ExitStatus };

type OwnAnswer = 'resolve' | 'spawn' | 'run_hook';
type NeverFails = 'report' | 'accepted' | 'verdict' | 'concluded' | 'scaled' | 'answer' | 'exit';

/** An effect that is answered by `done` or `failed`. */
export type AnsweredEffect = Exclude<Effect, { readonly type: OwnAnswer | NeverFails }>;
