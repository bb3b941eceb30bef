import type { State } from '../../lifecycle/state.ts';

/** An operation has begun while the upgrade was prepared. The message says which one. */
export class ObstacleError extends Error {}

/**
 * The operation that an upgrade in place must wait for, as text; null for none. It waits for operations that the new
 * program cannot continue, and for workers that may report readiness on their notify socket while no program reads it.
 */
export function obstacleTo(state: State): string | null {
  const { handover, hooks, notifications, join, generations } = state;
  const [hook] = [...hooks, ...notifications];
  if (hook) return `the hook ${hook.run.name} runs`;
  if (join)
    return `the number of workers of generation ${join.generation} is being changed, or one is replaced`;
  if (handover && !('candidate' in handover.step)) return `handover ${handover.id} has no candidate yet`;
  for (const { id, workers } of generations) {
    // A rescue worker is never ready.
    const starting = workers.find(
      ({ life, rescue }) =>
        life.name === 'spawning' || (life.name === 'up' && life.readyAt === null && !rescue),
    );
    if (starting) return `worker ${starting.index} of generation ${id} is not ready`;
  }
  return null;
}
