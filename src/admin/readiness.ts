import type { StatusDocument } from '../control/documents.ts';

/** Why a load balancer should send this instance no traffic; null where it may. */
export function unready({ service }: StatusDocument): string | null {
  if (service === undefined) return 'the state of the service is unknown';
  const isServing = service.state === 'up' || service.state === 'degraded';
  return isServing ? null : service.summary;
}
