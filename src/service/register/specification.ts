import { MAX_TIMER } from '../../common/clock.ts';
import type { Claim, Environment, Self } from '../handed/claim.ts';
import { readClaims } from '../handed/find-handed.ts';
import { formatPlace } from '../handed/place.ts';
import { platform } from '../platform/index.ts';
import type { Inspected } from '../platform/platform.ts';

/** The sockets that an unchanged program received, and how it should stop. */
export interface Specification {
  /** Listening sockets, all of them open in this process. */
  readonly claims: readonly Claim[];
  /** The signals on which the program must drain. */
  readonly signals: readonly string[];
  /** Time for its open connections, in ms. */
  readonly drainTimeout: number;
}

/** Time limits for the connections of a stopping process, in ms. */
export interface Limits {
  /** Connections that are still open after this time are cut. */
  readonly timeoutMs: number;
  /** Connections that are idle after this time are closed. */
  readonly idleMs: number;
  /** The program's own handler of the signal runs at the latest after this time. */
  readonly holdMs: number;
}

/** Default if no shutdown timeout is known: shorter than systemd's limit and most others. */
const DRAIN_TIMEOUT = 25_000;
/** Reserved from the time of an idle connection, to see a request that crosses its close, in ms. */
const CLOSING = 1_000;

/**
 * Null if this process received no sockets: it is a child of the process that received them, or the variables name
 * descriptors that are not open. Throws HandedError if a variable is malformed.
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
    // A socket without an address would match any server.
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
  // Einhorn asks its workers to stop by USR2 and kills them by TERM.
  return claims.some(({ from }) => from === 'Einhorn') ? ['SIGUSR2', 'SIGTERM'] : ['SIGTERM'];
}

/** Slightly less than the time until SIGKILL, so that the remaining connections are cut in order. */
function drainTimeoutOf({ ZERO_SHUTDOWN_TIMEOUT_MS: text }: Environment): number {
  if (text === undefined || !/^\d{1,10}$/.test(text)) return DRAIN_TIMEOUT;
  const timeout = Number(text);
  return timeout === 0 ? MAX_TIMER : Math.min(MAX_TIMER, Math.max(timeout * 0.75, timeout - 2_000));
}

/**
 * A program with its own handler of the signal gets half of the time for that handler, and more if the shutdown timeout
 * is long or unlimited.
 * @param programStops whether the program has such a handler
 */
export function limitsOf({ drainTimeout }: Specification, programStops: boolean): Limits {
  const holdMs = programStops ? Math.min(drainTimeout / 2, DRAIN_TIMEOUT) : drainTimeout;
  return { timeoutMs: drainTimeout, idleMs: Math.max(holdMs - CLOSING, holdMs * 0.9), holdMs };
}
