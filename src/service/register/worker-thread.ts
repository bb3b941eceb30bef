import { Servers } from './servers.ts';
import type { Specification } from './specification.ts';
import { reachMainThread } from './threads.ts';

/** The same in a worker thread, which gets no signals: the main thread asks it to drain. */
export function lookAfterThread({ claims }: Specification): void {
  const main = reachMainThread((limits) => servers.drain(limits));
  const servers = new Servers({ claims, ...main });
  servers.takePart();
}
