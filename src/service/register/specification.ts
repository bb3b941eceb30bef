import type { Claim, Environment, Self } from '../handed/claim.ts';
import { readClaims } from '../handed/find-handed.ts';
import { formatPlace } from '../handed/place.ts';
import { platform } from '../platform/index.ts';
import type { Inspected } from '../platform/platform.ts';

/** What a program that knows nothing of it was handed, and how it is to leave. */
export interface Specification {
  /** Listening sockets, all of them open in this process. */
  readonly claims: readonly Claim[];
  /** On which of these it has to drain. */
  readonly signals: readonly string[];
  /** For its open connections, in ms. */
  readonly drainTimeout: number;
}

/** How long the connections of a process that stops may take, in ms. */
export interface Limits {
  /** Connections that are open then are cut. */
  readonly timeoutMs: number;
  /** Connections that are idle then are closed. */
  readonly idleMs: number;
  /** The program's own handler of the signal runs after this time at the latest. */
  readonly holdMs: number;
}

/** Where nobody says how long a service may take: less than systemd's and most others' limits. */
const DRAIN_TIMEOUT = 25_000;
/** `setTimeout` takes no more. */
const FOR_EVER = 2 ** 31 - 1;
/** The rest of an idle connection's time, in which a request that crosses its close can be seen, in ms. */
const CLOSING = 1_000;

/**
 * Null where this process was handed nothing: it is the child of one that was, or the variables are about sockets that are not there. Throws
 * HandedError where a variable is malformed.
 */
export function readSpecification(
  environment: Environment,
  self: Self,
  look: (fd: number) => Inspected = platform.inspect,
): Specification | null {
  const claims = claimsFor(environment, self).flatMap((claim) => {
    const seen = look(claim.fd);
    if ('problem' in seen || (seen.socket.type ?? 'stream') !== 'stream') return [];
    const { place } = seen.socket;
    const address = claim.address ?? (place === null ? null : formatPlace(place));
    // A socket without an address could be taken by any server.
    return address === null ? [] : [{ ...claim, address }];
  });
  if (claims.length === 0) return null;
  return { claims, signals: signalsOf(environment, claims), drainTimeout: drainTimeoutOf(environment) };
}

/** The sockets that the variables name for this process. Throws HandedError where a variable is malformed. */
export function claimsFor(environment: Environment, self: Self): readonly Claim[] {
  const { LISTEN_PID } = environment;
  return LISTEN_PID === undefined || LISTEN_PID === String(self.pid) ? readClaims(environment, self) : [];
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

/**
 * A program with its own handler of the signal gets half of the time for itself, and more where the shutdown timeout
 * is long or has no end.
 * @param programStops whether the program has such a handler
 */
export function limitsOf({ drainTimeout }: Specification, programStops: boolean): Limits {
  const holdMs = programStops ? Math.min(drainTimeout / 2, DRAIN_TIMEOUT) : drainTimeout;
  return { timeoutMs: drainTimeout, idleMs: Math.max(holdMs - CLOSING, holdMs * 0.9), holdMs };
}
