import type { RunCommand } from '../../src/readiness/index.ts';
import type { Behaviour } from './draw.ts';
import type { FakeTimers } from './fake-timers.ts';
import type { Random } from './random.ts';

export interface VerifyContext {
  readonly random: Random;
  readonly timers: FakeTimers;
  /** Promises have something to do. */
  readonly wake: () => void;
  readonly behaviours: ReadonlyMap<number, Behaviour>;
}

/** Runs the command of `verify`, which fails or not as the newest generation behaves. */
export class FakeVerify {
  readonly #context: VerifyContext;
  #generation = 0;

  constructor(context: VerifyContext) {
    this.#context = context;
  }

  /** Only the newest generation is verified. */
  watch(generation: number): void {
    this.#generation = generation;
  }

  run({ stop }: Parameters<RunCommand>[0]): ReturnType<RunCommand> {
    const { random, timers, wake, behaviours } = this.#context;
    const code = behaviours.get(this.#generation)?.verifyFails ? 1 : 0;
    wake();
    return new Promise((resolve) =>
      timers.set(random.between(0, 2_000), () => {
        if (!stop.aborted) wake();
        resolve({ kind: 'exited', code });
      }),
    );
  }
}
