import { Script } from 'node:vm';
import { seededRandom } from '../support/random.ts';
import { mutant } from './mutate.ts';
import type { Target } from './target.ts';

/** Milliseconds of CPU time for one input. The slowest valid one takes a tenth of it. */
const MAX_CPU = 2_000;

/** Milliseconds for one input, with a reserve for a busy machine. */
const MAX_TIME = 60_000;

/** An input for which a parser neither returned a valid value nor refused. */
export class Found extends Error {
  readonly input: Buffer;

  constructor(target: string, input: Buffer, cause: unknown) {
    const why = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
    super(`${target}: ${why}`, { cause });
    this.input = input;
  }
}

/**
 * Passes one input to a parser. Rejects with Found.
 * @param maxTime milliseconds
 */
export async function checkOne(target: Target, input: Buffer, maxTime = MAX_TIME): Promise<string> {
  const before = process.cpuUsage();
  let result: string;
  try {
    result = await withinTime(() => target.check(input), maxTime);
  } catch (error) {
    throw new Found(target.name, input, error);
  }
  const { user, system } = process.cpuUsage(before);
  const used = (user + system) / 1_000;
  if (used > MAX_CPU) throw new Found(target.name, input, `took ${Math.round(used)} ms of CPU time`);
  return result;
}

export interface Tally {
  readonly inputs: number;
  /** The number of inputs by outcome. */
  readonly outcomes: ReadonlyMap<string, number>;
}

/** Passes random inputs to a parser until `isEnough`. The same seed gives the same inputs. Rejects with Found. */
export async function fuzz(
  target: Target,
  seed: number,
  isEnough: (inputs: number) => boolean,
): Promise<Tally> {
  const random = seededRandom(seed);
  const outcomes = new Map<string, number>();
  let inputs = 0;
  for (; !isEnough(inputs); inputs += 1) {
    const outcome = await checkOne(target, mutant(target, random));
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  }
  return { inputs, outcomes };
}

const RUN = new Script('check()');

/** Ends an endless loop with an exception, which requires a separate context (vm). */
function withinTime(check: () => string | Promise<string>, ms: number): Promise<string> {
  const place = globalThis as { check?: () => void };
  let result: string | Promise<string> = '';
  place.check = () => {
    try {
      result = check();
    } catch (error) {
      result = Promise.reject(error);
    }
  };
  RUN.runInThisContext({ timeout: ms });
  if (typeof result === 'string') return Promise.resolve(result);
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
    Promise.resolve(result)
      .then(resolve, reject)
      .finally(() => clearTimeout(late));
  });
}
