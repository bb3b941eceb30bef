import type { Effect } from '../../src/lifecycle/effects.ts';
import type { State } from '../../src/lifecycle/state.ts';
import { isOnlyOnce } from '../../src/supervisor/continuity/state-recorder.ts';
import type { Runner } from '../../src/supervisor/run/runner.ts';
import type { Process } from '../../src/supervisor/state-format/write.ts';
import type { Random } from './random.ts';

/** How the supervisor dies within a step. */
export interface Death {
  /** The state after the step has been written. */
  readonly isWritten: boolean;
  /** The number of performed effects. */
  readonly performed: number;
}

/** The data that survives a supervisor: its last written state. */
export interface Written {
  readonly state: State;
  readonly processes: readonly Process[];
  /** Effects of the last step that may not have been performed. */
  readonly inProgress: readonly Effect[];
}

/** The times at which the supervisor is killed, by the seed, and its written data at that time. */
export class Crashes {
  /** The newest state; null before the first one. */
  written: Written | null = null;
  /** The number of deaths within a step and between two steps, and of upgrades in place. */
  readonly counts = { inStep: 0, atRest: 0, upgrades: 0 };
  readonly #random: Random;
  /** Times at which it dies between two steps. */
  readonly times: readonly number[];
  /** The steps in which it dies, as the number of earlier steps with an effect that cannot be repeated. */
  readonly #steps: number[];
  /** Otherwise written data is not needed. */
  readonly #isPossible: boolean;

  constructor(random: Random, isWanted: boolean) {
    this.#random = random;
    const count = () => (isWanted && random.chance(0.15) ? random.pick([1, 1, 2, 4]) : 0);
    const all = <T>(draw: () => T) => Array.from({ length: count() }, draw);
    this.times = all(() => random.pick([0, 20, 1_000, 5_000, 30_000, 90_000]) + random.between(0, 5_000));
    this.#steps = all(() => random.between(0, 8));
    this.#isPossible = this.times.length > 0 || this.#steps.length > 0;
  }

  /** Whether the process executes another program instead of dying. */
  isUpgrade(): boolean {
    return this.#random.chance(0.5);
  }

  /** The time until the next supervisor starts. */
  downtime(isUpgrade: boolean): number {
    if (isUpgrade) return this.#random.pick([0, 20, 300]);
    return this.#random.pick([0, 20, 300, 300, 2_000, 30_000]);
  }

  /** Whether it dies in a step with these effects. */
  deathIn(effects: readonly Effect[]): Death | null {
    const [left] = this.#steps;
    const isEnd = effects.some(({ type }) => type === 'exit');
    if (left === undefined || isEnd || !effects.some(isOnlyOnce)) return null;
    if (left > 0) {
      this.#steps[0] = left - 1;
      return null;
    }
    this.#steps.shift();
    this.counts.inStep += 1;
    const isWritten = this.#random.chance(0.8);
    return { isWritten, performed: isWritten ? this.#random.between(0, effects.length) : 0 };
  }

  /** Records the state after a step before its effects are performed. */
  ahead(state: State, effects: readonly Effect[], runner: Runner): void {
    if (effects.some(isOnlyOnce)) this.#write(state, runner, effects);
  }

  /** Records the state after a batch of events whose effects have been performed. */
  settled(state: State, runner: Runner): void {
    if (state !== this.written?.state || this.written.inProgress.length > 0) this.#write(state, runner, []);
  }

  #write(state: State, runner: Runner, inProgress: readonly Effect[]): void {
    if (!this.#isPossible) return;
    const processes = runner.generations
      .processes()
      .map(({ key, pid, startTime, session, pipes }) => ({ key, pid, startTime, session, pipes }));
    this.written = { state, processes, inProgress };
  }
}
