import type { WorkerKey } from './events.ts';
import type { ExitStatus, Fact } from './facts.ts';
import type { Verdict } from './state.ts';

/** Everything the core can ask of the shell, performed in order. */
export type Effect =
  /** Read the config, find the release, bind the listeners; answered by `resolved` or `resolve_failed`. */
  | { readonly type: 'resolve'; readonly handover: number }
  /** What `resolve` prepared for this handover belongs to this generation from now on. */
  | { readonly type: 'adopt'; readonly handover: number; readonly generation: number }
  /** What `resolve` prepared is not wanted any more. */
  | { readonly type: 'discard'; readonly handover: number }
  /** Start the process and its gates; answered by `spawned` or `spawn_failed`. */
  | ({ readonly type: 'spawn' } & WorkerKey)
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
  | { readonly type: 'report'; readonly fact: Fact }
  | { readonly type: 'verdict'; readonly tickets: readonly string[]; readonly verdict: Verdict }
  /** The supervisor leaves, as this process did: its code, or 128 + the signal's number. */
  | { readonly type: 'exit'; readonly exit: ExitStatus };
