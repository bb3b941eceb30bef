import { seededRandom } from '../../test/support/random.ts';

/** A fault that is to be caused. */
export interface Drawn {
  readonly name: string;
  /** Milliseconds to wait before it. */
  readonly pause: number;
  /** For what the fault itself draws. */
  readonly random: () => number;
}

/** Between two faults, at most, in ms. */
const LONGEST_PAUSE = 500;

/**
 * Faults without end. The same seed gives the same ones, however long each of them takes: no fault can change what
 * comes after it.
 */
export function* drawFaults(seed: number, names: readonly string[]): Generator<Drawn, never, void> {
  const random = seededRandom(seed);
  for (;;) {
    const pause = random() * LONGEST_PAUSE;
    const name = names[Math.floor(random() * names.length)] ?? '';
    yield { name, pause, random: seededRandom(Math.floor(random() * 0xffff_ffff)) };
  }
}
