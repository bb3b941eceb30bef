import type { Failure, OpenGate } from './facts.ts';
import { type Generation, ownWorkers } from './generation.ts';

/**
 * What keeps a generation from being ready, for the report of a failure: the open gates of its workers, and the worker
 * to look at first.
 */
export function notReady(generation: Generation): Pick<Failure, 'generation' | 'worker' | 'gates'> {
  const workers = ownWorkers(generation);
  const late = workers.find(({ life }) => life.name !== 'up' || life.readyAt === null);
  const gates = workers.flatMap(({ index, life }): OpenGate[] =>
    life.name === 'up' ? life.waiting.map((gate) => ({ worker: index, gate, reason: null })) : [],
  );
  return {
    generation: generation.id,
    ...(late && { worker: late.index }),
    ...(gates.length > 0 && { gates }),
  };
}
