import type { z } from 'zod/mini';
import type { listener } from './schema/listener.ts';
import type { runtime } from './schema/runtime.ts';

/** Gives each listener without a descriptor the next number from 3 that no listener and no ready_fd uses. */
export function assignDescriptors(
  listeners: readonly z.output<typeof listener>[],
  readyFd: number | undefined,
) {
  const taken = new Set(listeners.map((one) => one.socket_fd));
  taken.add(readyFd);
  let next = 3;
  return listeners.map((one) => {
    if (one.socket_fd !== undefined) return { ...one, socket_fd: one.socket_fd };
    while (taken.has(next)) next += 1;
    taken.add(next);
    return { ...one, socket_fd: next };
  });
}

/** An environment that the file does not list is inherited. */
export function fillRuntime(file: z.output<typeof runtime>) {
  return {
    ...file,
    inherit_environment: file.inherit_environment ?? file.environment.length === 0,
  };
}
