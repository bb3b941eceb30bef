import type { Happening } from '../../src/supervisor/run/engine.ts';
import type { FakeTimers } from './fake-timers.ts';
import type { Random } from './random.ts';

/** The keeper process: it starts a moment later if possible, and is killed from time to time. */
export class FakeKeeper {
  /** The version of its set of sockets; null: no keeper runs. */
  version: number | null = null;
  /** As PID 1 zero has no keeper. */
  readonly isWanted: boolean;
  readonly #random: Random;
  readonly #timers: FakeTimers;

  constructor(random: Random, timers: FakeTimers) {
    this.#random = random;
    this.isWanted = random.chance(0.3);
    this.#timers = timers;
  }

  keep(version: number, post: (happening: Happening) => void): void {
    const random = this.#random;
    const effect = { type: 'keep_sockets', version } as const;
    const failed = (reason: string) => {
      this.version = null;
      post({ type: 'failed', effect, failure: { step: 'keep sockets', reason } });
    };
    if (random.chance(0.02)) throw new Error('no descriptor for the keeper');
    this.#timers.set(random.between(0, 20), () => {
      if (random.chance(0.05)) {
        failed('fork: EAGAIN');
        return;
      }
      this.version = version;
      post({ type: 'done', effect });
      if (random.chance(0.05))
        this.#timers.set(random.pick([0, 500, 40_000]), () => {
          if (this.version === version) failed('killed by SIGKILL');
        });
    });
  }
}
