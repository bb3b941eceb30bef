import { rounded } from '../facts/parts.ts';
import type { StatusDocument, UsageDocument } from './status-document.ts';
import type { Views, WorkerUsage } from './views.ts';

export interface Measurements {
  /** Open connections of each generation. */
  readonly connections: ReadonlyMap<number, number | null>;
  /** null if it could not be read. */
  readonly usage: readonly WorkerUsage[] | null;
}

/** Measures now. Never rejects. */
export async function measure(views: Pick<Views, 'connections' | 'usage'>): Promise<Measurements> {
  const usage = views.usage().catch(() => null);
  return { connections: await views.connections(), usage: await usage };
}

/** The status with the measured values. */
export function measuredStatus(
  document: StatusDocument,
  { connections, usage }: Measurements,
): StatusDocument {
  const generations = document.generations.map((generation) => ({
    ...generation,
    connections: connections.get(generation.id) ?? null,
    workers: generation.workers.map((worker) => {
      const used = usage?.find((one) => one.generation === generation.id && one.worker === worker.worker);
      return { ...worker, ...(used && { usage: usageDocument([used]) }) };
    }),
  }));
  return { ...document, generations, ...(usage && { usage: usageDocument(usage) }) };
}

function usageDocument(usages: readonly WorkerUsage[]): UsageDocument {
  const total = (part: (usage: WorkerUsage) => number) => usages.reduce((sum, usage) => sum + part(usage), 0);
  return {
    cpu_percent: rounded(total(({ cpuShare }) => cpuShare) * 100, 10),
    cpu_seconds: rounded(
      total(({ cpuSeconds }) => cpuSeconds),
      100,
    ),
    memory_bytes: total(({ residentBytes }) => residentBytes),
    interval_ms: Math.round(Math.max(0, ...usages.map(({ intervalMs }) => intervalMs))),
  };
}
