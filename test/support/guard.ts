import { identify, type KnownProcess, killFamily } from './processes.ts';
import type { Scope } from './temporary.ts';

const guarded = new Map<string, KnownProcess>();
let armed = false;

function killAll(): void {
  for (const known of guarded.values()) killFamily(known);
  guarded.clear();
}

/** The runner ends a test file that takes too long with SIGTERM. Then no hook of a test runs, but these do. */
function arm(): void {
  if (armed) return;
  armed = true;
  process.once('exit', killAll);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      killAll();
      process.kill(process.pid, signal);
    });
  }
}

/**
 * Remembers processes and kills them, with their children and sessions, at the end of the test, whatever its outcome.
 */
export interface Guard {
  /** To be called as soon as the pid is known. Returns the process; null if it has exited. */
  own(pid: number): KnownProcess | null;
  killAll(): void;
}

export function guardProcesses(scope: Scope): Guard {
  arm();
  const mine = new Map<string, KnownProcess>();
  const guard: Guard = {
    own(pid) {
      const known = identify(pid);
      if (known !== null) {
        mine.set(`${known.pid} ${known.startTime}`, known);
        guarded.set(`${known.pid} ${known.startTime}`, known);
      }
      return known;
    },
    killAll() {
      for (const [key, known] of mine) {
        killFamily(known);
        guarded.delete(key);
      }
      mine.clear();
    },
  };
  scope.after(() => guard.killAll());
  return guard;
}
