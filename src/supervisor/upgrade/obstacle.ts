import type { State } from '../../lifecycle/state.ts';

/**
 * What an upgrade in place waits for, in words; null where it may happen now. It waits for what the new program cannot
 * continue, and for workers that may report on their notify socket that they are ready while nobody reads it.
 */
export function obstacleTo(state: State): string | null {
  const { handover, hooks, notifications, join, generations } = state;
  const [hook] = [...hooks, ...notifications];
  if (hook) return `the hook ${hook.run.name} runs`;
  if (join)
    return `the number of workers of generation ${join.generation} is being changed, or one is replaced`;
  if (handover && !('candidate' in handover.step)) return `handover ${handover.id} has no candidate yet`;
  for (const { id, workers } of generations) {
    // One that only serves what waits in a lane is never ready.
    const starting = workers.find(
      ({ life, relief }) =>
        life.name === 'spawning' || (life.name === 'up' && life.readyAt === null && !relief),
    );
    if (starting) return `worker ${starting.index} of generation ${id} is not ready`;
  }
  return null;
}
