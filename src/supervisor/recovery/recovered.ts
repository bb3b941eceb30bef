import type { WorkerKey } from '../../lifecycle/events.ts';
import type { Fact, RecoveredBy, SocketSource } from '../../lifecycle/facts.ts';
import type { State } from '../../lifecycle/state.ts';
import type { ProcessIdentity } from '../../linux/procfs.ts';
import type { Before } from '../continuity/state-file.ts';
import type { PreviousKeeper } from '../keeper/socket-keeper.ts';
import type { RecoveredProcess } from '../run/worker-parts.ts';
import type { Memos } from '../state-format/generation-memo.ts';
import type { SavedState } from '../state-format/read.ts';

/** What a supervisor finds that continues the service of a dead one. */
export interface Recovered {
  readonly saved: SavedState;
  readonly state: State;
  /** What the generations and the dead supervisor were made of; null: not known. */
  readonly memos: Memos | null;
  /** Recorded processes, and those of workers that were being started. */
  readonly processes: readonly RecoveredProcess[];
  /** Processes of workers that the state does not know: they were started after it was written. */
  readonly unknown: readonly ProcessIdentity[];
  /** Workers that were being started, or are recorded as running, and have no process. */
  readonly missing: readonly WorkerKey[];
  readonly hooks: readonly { readonly hook: number; readonly process: ProcessIdentity }[];
  /** Processes of commands whose results nobody waits for any more. */
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

/** What becomes of what an earlier supervisor left behind. */
export type Found =
  | { readonly recovered: Recovered }
  /** The service starts as if there had been none. */
  | { readonly notes: readonly Fact[] }
  /** The service must not be touched: why, and what to do. */
  | { readonly refusal: string };
