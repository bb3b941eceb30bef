import { releaseFreedMemory } from '../../linux/memory.ts';
import type { Timers } from '../../readiness/index.ts';

/**
 * V8 saves memory at the cost of time. Private dirty memory at rest after 20 reloads was 11.7 MB with all flags and 15.5
 * MB with none. A line of output costs 15 microseconds instead of 5.
 */
const FLAGS = [
  // Without this flag V8's collector wakes up once or twice in 10 s, a minute after the last event.
  '--optimize-for-size',
  // V8 keeps bytecode and no machine code: 12.9 MB without the first flag, 15.9 MB without both.
  '--no-sparkplug',
  '--no-opt',
];

/** 1,000 reloads add 13 % to the memory at rest if no collection compacts the heap, and 5 to 8 % if the last one does. */
const COMPACTS = '--compact-on-every-full-gc';
const COMPACTS_NO_MORE = '--no-compact-on-every-full-gc';

/** Longer than V8 takes to detect an idle process. After that, memory can be returned. */
const QUIET = 20_000;

/** node:v8 takes 2 ms to load, so it is loaded after the service has started. */
const v8 = () => process.getBuiltinModule('node:v8');

/** Keeps the supervisor small while it rests. */
export class Footprint {
  readonly #timers: Timers;
  #timer: unknown = null;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Sets V8's flags. Call this once the service runs: until then, speed matters more. */
  begin(): void {
    const { setFlagsFromString } = v8();
    for (const flag of FLAGS) setFlagsFromString(flag);
  }

  /**
   * Returns memory after a quiet period.
   * @param happened false if only time has passed: the lanes of earlier handovers become free one after the other, for
   * more than a minute, and an effect that failed is attempted again
   */
  disturbed(happened: boolean): void {
    if (this.#timer !== null && !happened) return;
    this.#timers.clear(this.#timer);
    this.#timer = this.#timers.set(QUIET, () => {
      this.#timer = null;
      releaseMemory();
    });
  }

  close(): void {
    this.#timers.clear(this.#timer);
  }
}

/** A class without objects, for a search without results. */
class Nothing {}

/**
 * Collects garbage, compacts the heap and returns the free memory to the system. Takes about 30 ms. V8 collects the
 * garbage of an idle heap only after a full collection has shown growth (MemoryReducer in
 * src/heap/memory-reducer.h). Small reloads do not cause that: memory at rest is 14 to 17 MB then. v8.queryObjects
 * begins with a full collection, and Node has no other public function that does.
 */
function releaseMemory(): void {
  const { emitWarning } = process;
  // queryObjects prints to standard error that it is experimental (Node 20.13). An operator cannot act on that warning.
  process.emitWarning = () => {};
  const { setFlagsFromString, queryObjects } = v8();
  setFlagsFromString(COMPACTS);
  try {
    queryObjects(Nothing, { format: 'count' });
  } finally {
    process.emitWarning = emitWarning;
    // A collection during a handover takes less time without it.
    setFlagsFromString(COMPACTS_NO_MORE);
  }
  releaseFreedMemory();
}
