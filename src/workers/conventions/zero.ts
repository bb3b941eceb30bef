import type { Handed, Variables } from './convention.ts';

/**
 * zero's own variables, which every service gets regardless of its protocols. ZERO_LISTENERS is a JSON array of {name,
 * fd, address}. ZERO_SHUTDOWN_* tells a library the signal after which it must drain, and the time limit.
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
