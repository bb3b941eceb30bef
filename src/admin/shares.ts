import type { GenerationStatus, StatusDocument } from '../control/documents.ts';

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
