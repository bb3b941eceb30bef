import type { GenerationStatus, StatusDocument } from '../control/status-document.ts';
import type { WorkerUsage } from '../control/views.ts';
import type { DashboardSource } from './dashboard/source.ts';

/** CPU time and memory of a worker: a collector computes the shares. */
export type WorkerReading = Omit<WorkerUsage, 'cpuShare' | 'intervalMs'>;

/** What waits at a listener, over all of its sockets; null where the kernel does not tell. */
export interface ListenerReading {
  readonly listener: string;
  /** Clients' connections that no process has accepted yet; null for datagrams. */
  readonly queue: number | null;
  /** Connections and datagrams that were not taken, since its sockets were made. */
  readonly drops: number | null;
}

export interface Readings {
  readonly workers: readonly WorkerReading[];
  /** Of each generation: accepted and not closed; null where nobody may look. */
  readonly connections: ReadonlyMap<number, number | null>;
  readonly listeners: readonly ListenerReading[];
}

/** What the endpoint shows. Everything is looked at when somebody asks. */
export interface AdminSource {
  status(): StatusDocument;
  readings(): Promise<Readings>;
  readonly dashboard: DashboardSource;
}

/** The share of new connections that a generation gets, 0 to 1. */
export function shareOf(
  { workers }: GenerationStatus,
  { main, canary }: NonNullable<StatusDocument['steering']>,
): number {
  const has = (lanes: readonly number[]) => workers.some(({ lane }) => lane !== null && lanes.includes(lane));
  const toCanary = (canary?.percent ?? 0) / 100;
  if (canary !== null && has(canary.lanes)) return toCanary;
  return has(main) ? 1 - toCanary : 0;
}

/** Why a load balancer should send this instance no traffic; null where it may. */
export function unready({ service }: StatusDocument): string | null {
  if (service === undefined) return 'the state of the service is unknown';
  const isServing = service.state === 'up' || service.state === 'degraded';
  return isServing ? null : service.summary;
}
