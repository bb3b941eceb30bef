import type { WorkerListener } from '../worker-listener.ts';

/** What a convention is told about the worker. */
export interface Handed {
  readonly generation: number;
  readonly worker: number;
  /** In the order of their numbers in the service. */
  readonly listeners: readonly WorkerListener[];
  readonly notifyPath: string | null;
  /** The parent of the worker. */
  readonly supervisorPid: number;
}

/** Environment variables by name. LISTEN_PID is missing everywhere: only the last program of the chain knows its pid. */
export type Variables = Readonly<Record<string, string>>;

/** True for sockets that connections are accepted from. */
export function isStream(listener: WorkerListener): boolean {
  const { network } = listener.config.address;
  return network === 'unix' || network.startsWith('tcp');
}
