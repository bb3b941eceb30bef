import type { Handed, Variables } from './convention.ts';

/** zero's own: ZERO_LISTENERS is a JSON array of {name, fd, address}; given to every service, whatever its protocols. */
export function zero({ generation, worker, listeners }: Handed): Variables {
  const list = listeners.map(({ name, target, text }) => ({ name, fd: target, address: text }));
  return {
    ZERO_LISTENERS: JSON.stringify(list),
    ZERO_GENERATION: String(generation),
    ZERO_WORKER: String(worker),
  };
}
