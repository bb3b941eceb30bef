// drain-reader PORT PID...: a process that reads the open connections of these workers once, as the supervisor does
// before they retire, and prints the cost for its main thread in milliseconds of processor time. Other load on the
// machine does not count.
import koffi from 'koffi';
import { WorkerConnections } from '../src/workers/processes/connections.ts';

/** The output of one reader. */
export interface DrainReading {
  readonly connections: number;
  /**
   * The longest time between two turns of the event loop; only if requested, because turning the loop takes time, too.
   */
  readonly longest: number | null;
  /** The total processor time; null if the turns were measured. */
  readonly total: number | null;
}

const CLOCK_THREAD_CPUTIME_ID = 3;
const timespec = Buffer.alloc(16);
const clockGettime = koffi.load('libc.so.6').func('int clock_gettime(int, void*)');

/** Milliseconds of processor time of this thread (clock_gettime(2)). */
function cpuTime(): number {
  clockGettime(CLOCK_THREAD_CPUTIME_ID, timespec);
  return Number(timespec.readBigInt64LE(0)) * 1000 + Number(timespec.readBigInt64LE(8)) / 1e6;
}

/** Turns the event loop without pause. Returns a function for the longest turn so far. */
function watchTurns(): () => number {
  let longest = 0;
  let last = cpuTime();
  let next = setImmediate(turn);
  function turn(): void {
    const now = cpuTime();
    longest = Math.max(longest, now - last);
    last = now;
    next = setImmediate(turn);
  }
  return () => {
    clearImmediate(next);
    return longest;
  };
}

const [what, port = 0, ...pids] = process.argv
  .slice(2)
  .map((word) => (/^\d+$/.test(word) ? Number(word) : word));
const reader = new WorkerConnections<number>(() => ({ ports: [Number(port)], names: [] }));
reader.follow(new Map(pids.map((pid) => [Number(pid), () => [Number(pid)]])));
const start = cpuTime();
const stop = what === 'turns' ? watchTurns() : null;
const counts = await reader.read();
const reading: DrainReading = {
  connections: [...counts.values()].reduce((sum, { open }) => sum + (open ?? 0), 0),
  longest: stop?.() ?? null,
  total: stop === null ? cpuTime() - start : null,
};
process.stdout.write(JSON.stringify(reading));
