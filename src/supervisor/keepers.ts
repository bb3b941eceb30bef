import type { DrainKeeper } from './drain-keeper.ts';
import type { LaneKeeper } from './lane-keeper.ts';
import type { LanePreparer } from './lane-preparer.ts';
import type { LivenessKeeper } from './liveness-keeper.ts';
import type { MemoryKeeper } from './memory-keeper.ts';
import type { StallKeeper } from './stall-keeper.ts';
import type { VerifyKeeper } from './verify-keeper.ts';

/** Those who keep doing what the core asked for, until it asks for something else. */
export interface Keepers {
  readonly lanes: LaneKeeper;
  readonly drain: DrainKeeper;
  readonly stalls: StallKeeper;
  readonly memory: MemoryKeeper;
  readonly liveness: LivenessKeeper;
  readonly verify: VerifyKeeper;
  readonly preparer: LanePreparer;
}
