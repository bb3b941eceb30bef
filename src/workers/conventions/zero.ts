import type { Handed, Variables } from './convention.ts';

/**
 * zero's own, given to every service, whatever its protocols: ZERO_LISTENERS is a JSON array of {name, fd, address}; from ZERO_SHUTDOWN_* a
 * library knows on which signal it has to drain, and how long it may take.
 */
export function zero({ generation, worker, listeners, shutdown }: Handed): Variables {
  const list = listeners.map(({ name, target, text }) => ({ name, fd: target, address: text }));
  return {
    ZERO_LISTENERS: JSON.stringify(list),
    ZERO_GENERATION: String(generation),
    ZERO_WORKER: String(worker),
    ZERO_SHUTDOWN_SIGNAL: shutdown.signal,
    ZERO_SHUTDOWN_TIMEOUT_MS: String(shutdown.timeout),
  };
}
