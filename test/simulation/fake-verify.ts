import type { RunCommand, Timers } from '../../src/readiness/index.ts';
import type { Behaviour } from './draw.ts';
import { LIVENESS } from './fake-prepare.ts';
import type { Random } from './random.ts';

export interface VerifyContext {
  readonly random: Random;
  readonly timers: Timers;
  /** Called when promises have work. */
  readonly wake: () => void;
  /** Whether the worker in these variables passes its liveness check. */
  readonly isAlive: (variables: Readonly<Record<string, string>>) => boolean;
  readonly behaviours: ReadonlyMap<number, Behaviour>;
}

/** Runs the command of `verify`, whose result depends on the newest generation, and those of liveness checks. */
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

  run({ run, variables = {}, stop }: Parameters<RunCommand>[0]): ReturnType<RunCommand> {
    const { random, timers, wake, behaviours, isAlive } = this.#context;
    const passes =
      run[0] === LIVENESS ? isAlive(variables) : behaviours.get(this.#generation)?.verifyFails !== true;
    const code = passes ? 0 : 1;
    wake();
    return new Promise((resolve) =>
      timers.set(random.between(0, 2_000), () => {
        if (!stop.aborted) wake();
        resolve({ kind: 'exited', code });
      }),
    );
  }
}
