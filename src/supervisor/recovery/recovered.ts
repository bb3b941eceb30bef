import type { WorkerKey } from '../../lifecycle/events.ts';
import type { Fact, RecoveredBy, SocketSource } from '../../lifecycle/facts.ts';
import type { State } from '../../lifecycle/state.ts';
import type { ProcessIdentity } from '../../linux/procfs.ts';
import type { Before } from '../continuity/state-file.ts';
import type { PreviousKeeper } from '../keeper/socket-keeper.ts';
import type { RecoveredProcess } from '../run/worker-parts.ts';
import type { Memos } from '../state-format/generation-memo.ts';
import type { SavedState } from '../state-format/read.ts';

/** The data for continuing the service of a dead supervisor. */
export interface Recovered {
  readonly saved: SavedState;
  readonly state: State;
  /** The sources of the generations and of the dead supervisor; null: unknown. */
  readonly memos: Memos | null;
  /** Recorded processes, and those of workers that were being started. */
  readonly processes: readonly RecoveredProcess[];
  /** Processes of workers that are missing in the state, because they were started after it was written. */
  readonly unknown: readonly ProcessIdentity[];
  /** Workers without a process that were being started, or are recorded as running. */
  readonly missing: readonly WorkerKey[];
  readonly hooks: readonly { readonly hook: number; readonly process: ProcessIdentity }[];
  /** Processes of commands whose results are no longer needed. */
  readonly commands: readonly ProcessIdentity[];
  /** Sockets by inode. */
  readonly sockets: ReadonlyMap<number, number>;
  readonly socketsFrom: readonly SocketSource[];
  /** The descriptor of the dead supervisor's vault; null: there is none. */
  readonly vault: number | null;
  readonly keepers: readonly PreviousKeeper[];
  readonly before: Before;
  readonly by: RecoveredBy;
  /** Monotonic milliseconds at which the recovery began. */
  readonly since: number;
  readonly notes: readonly Fact[];
}

/** The result of the search for an earlier supervisor's service. */
export type Found =
  | { readonly recovered: Recovered }
  /** There is no service to continue: zero starts a new one. */
  | { readonly notes: readonly Fact[] }
  /** The service must not be changed: why, and what to do. */
  | { readonly refusal: string };
