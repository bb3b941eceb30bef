import type { Claim, Environment, Self } from '../handed/claim.ts';
import { readClaims } from '../handed/find-handed.ts';
import { type Inspected, inspect } from '../handed/inspect.ts';
import { formatPlace } from '../handed/place.ts';

/** What a program that knows nothing of it was handed, and how it is to leave. */
export interface Specification {
  /** Listening sockets, all of them open in this process. */
  readonly claims: readonly Claim[];
  /** On which of these it has to drain. */
  readonly signals: readonly string[];
  /** For its open connections, in ms. */
  readonly drainTimeout: number;
}

/** Where nobody says how long a service may take: less than systemd's and most others' limits. */
const DRAIN_TIMEOUT = 25_000;
/** `setTimeout` takes no more. */
const FOR_EVER = 2 ** 31 - 1;

/**
 * Null where this process was handed nothing: it is the child of one that was, or the variables are about sockets that are not there. Throws
 * HandedError where a variable is malformed.
 */
export function readSpecification(
  environment: Environment,
  self: Self,
  look: (fd: number) => Inspected = inspect,
): Specification | null {
  const { LISTEN_PID } = environment;
  if (LISTEN_PID !== undefined && LISTEN_PID !== String(self.pid)) return null;
  const claims = readClaims(environment, self).flatMap((claim) => {
    const seen = look(claim.fd);
    if ('problem' in seen || seen.socket.type !== 'stream') return [];
    // Where it is cannot be seen any more when its server was closed.
    return [{ ...claim, address: claim.address ?? formatPlace(seen.socket.place) }];
  });
  if (claims.length === 0) return null;
  return { claims, signals: signalsOf(environment, claims), drainTimeout: drainTimeoutOf(environment) };
}

function signalsOf({ ZERO_SHUTDOWN_SIGNAL }: Environment, claims: readonly Claim[]): string[] {
  if (ZERO_SHUTDOWN_SIGNAL !== undefined) return [ZERO_SHUTDOWN_SIGNAL];
  // Einhorn asks its workers to leave by USR2, and kills them by TERM.
  return claims.some(({ from }) => from === 'Einhorn') ? ['SIGUSR2', 'SIGTERM'] : ['SIGTERM'];
}

/** A little less than what is left until SIGKILL: what is cut then is cut in order. */
function drainTimeoutOf({ ZERO_SHUTDOWN_TIMEOUT_MS: text }: Environment): number {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return DRAIN_TIMEOUT;
  const timeout = Number(text);
  return timeout === 0 ? FOR_EVER : Math.min(FOR_EVER, Math.max(timeout * 0.75, timeout - 2_000));
}
