import { seededRandom } from '../../test/support/random.ts';

/** The next fault. */
export interface Drawn {
  readonly name: string;
  /** Milliseconds to wait before the fault. */
  readonly pause: number;
  /** The random numbers of the fault itself. */
  readonly random: () => number;
}

/** The longest pause between two faults, in ms. */
const MAX_PAUSE = 500;

/**
 * An endless list of faults. The same seed gives the same list, regardless of how long each fault takes.
 */
export function* drawFaults(seed: number, names: readonly string[]): Generator<Drawn, never, void> {
  const random = seededRandom(seed);
  for (;;) {
    const pause = random() * MAX_PAUSE;
    const name = names[Math.floor(random() * names.length)] ?? '';
    yield { name, pause, random: seededRandom(Math.floor(random() * 0xffff_ffff)) };
  }
}
