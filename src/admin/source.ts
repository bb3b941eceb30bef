import type { GenerationStatus, StatusDocument } from '../control/status-document.ts';
import type { WorkerUsage } from '../control/views.ts';
import type { DashboardSource } from './dashboard/source.ts';

/** CPU time and memory of a worker. The monitoring system computes the shares. */
export type WorkerReading = Omit<WorkerUsage, 'cpuShare' | 'intervalMs'>;

/** The queues of a listener, over all of its sockets; null if the kernel does not report them. */
export interface ListenerReading {
  readonly listener: string;
  /** Connections that no process has accepted yet; null for datagrams. */
  readonly queue: number | null;
  /** Connections and datagrams that were dropped since the sockets were created. */
  readonly drops: number | null;
}

export interface Readings {
  readonly workers: readonly WorkerReading[];
  /** Accepted and open connections of each generation; null if zero has no permission to count them. */
  readonly connections: ReadonlyMap<number, number | null>;
  readonly listeners: readonly ListenerReading[];
}

/** The data of the endpoint. All values are read on request. */
export interface AdminSource {
  status(): StatusDocument;
  readings(): Promise<Readings>;
  readonly dashboard: DashboardSource;
}

/** The share of new connections that a generation receives, 0 to 1. */
export function shareOf(
  { workers }: GenerationStatus,
  { main, canary }: NonNullable<StatusDocument['steering']>,
): number {
  const has = (lanes: readonly number[]) => workers.some(({ lane }) => lane !== null && lanes.includes(lane));
  const toCanary = (canary?.percent ?? 0) / 100;
  if (canary !== null && has(canary.lanes)) return toCanary;
  return has(main) ? 1 - toCanary : 0;
}

/** Why a load balancer should send no traffic to this instance; null if it may. */
export function unready({ service }: StatusDocument): string | null {
  if (service === undefined) return 'the state of the service is unknown';
  const isServing = service.state === 'up' || service.state === 'degraded';
  return isServing ? null : service.summary;
}
