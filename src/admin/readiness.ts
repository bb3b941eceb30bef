import type { StatusDocument } from '../control/documents.ts';

/** Why this instance should get no traffic from a balancer in front of it; null where it may. */
export function unready({ mode, incumbent, generations }: StatusDocument): string | null {
  if (mode === 'stopping') return 'zero is stopping';
  const serving = generations.find(({ id }) => id === incumbent);
  if (serving === undefined) return 'there is no generation yet';
  if (serving.stage !== 'serving')
    return `generation ${serving.id} does not serve yet: it is ${serving.stage}`;
  if (serving.workers.some(({ state, ready }) => state === 'up' && ready)) return null;
  const states = [...new Set(serving.workers.map(({ state }) => state))].join(', ');
  return `no worker of generation ${serving.id} is ready: ${states}`;
}
