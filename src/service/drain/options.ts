import { Server } from 'node:net';
import { MAX_TIMER } from '../../common/clock.ts';

export interface DrainOptions {
  /**
   * How long the drain may take, in ms. Connections that are open then are cut. Default 25,000, less than the 30 s
   * after which managers kill.
   */
  readonly timeoutMs?: number;
  /**
   * How long an idle connection stays open for its next request, in ms from the beginning of the drain. Default:
   * `timeoutMs` without its last second (of a short drain: its last tenth), in which the drain sees requests that
   * clients sent at that moment.
   */
  readonly idleMs?: number;
  /** Ends the drain early: connections that are open when it aborts are cut. */
  readonly signal?: AbortSignal;
}

/** Checked options with their defaults. */
export interface DrainPlan {
  readonly timeoutMs: number;
  readonly idleMs: number;
  readonly signal: AbortSignal | null;
  /**
   * Whether the drain closes the server. Otherwise the drain closes only its listening socket, and the owner closes
   * the server.
   */
  readonly closes: boolean;
}

const DEFAULT_TIMEOUT = 25_000;
const KNOWN: readonly string[] = ['timeoutMs', 'idleMs', 'signal'];

/** How an error message shows a value: as text if that is useful, otherwise by its type. */
function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'object' && value !== null) return value.constructor?.name ?? 'an object';
  return String(value);
}

function milliseconds(name: string, value: unknown): number {
  if (typeof value === 'number' && value >= 0 && value <= MAX_TIMER) return value;
  throw new TypeError(
    `drain: ${name} must be a number of milliseconds from 0 to ${MAX_TIMER}, not ${shown(value)}`,
  );
}

/** Throws a TypeError with the option and the reason. */
export function planOf(options: unknown): DrainPlan {
  if (typeof options !== 'object' || options === null)
    throw new TypeError(`drain: options must be an object, not ${shown(options)}`);
  const unknown = Object.keys(options).filter((name) => !KNOWN.includes(name));
  if (unknown.length > 0)
    throw new TypeError(`drain: unknown option ${unknown.join(', ')}; known options: ${KNOWN.join(', ')}`);
  const { timeoutMs = DEFAULT_TIMEOUT, idleMs, signal } = options as DrainOptions;
  const timeout = milliseconds('timeoutMs', timeoutMs);
  const idle =
    idleMs === undefined ? Math.max(timeout - 1000, timeout * 0.9) : milliseconds('idleMs', idleMs);
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw new TypeError(`drain: signal must be an AbortSignal, not ${shown(signal)}`);
  return { timeoutMs: timeout, idleMs: Math.min(idle, timeout), signal: signal ?? null, closes: true };
}

/** Throws a TypeError for anything but a server of net, tls, http, https or http2. */
export function serversOf(given: unknown): Server[] {
  const servers: unknown[] = Array.isArray(given) ? given : [given];
  return servers.map((server) => {
    if (server instanceof Server) return server;
    throw new TypeError(`drain: ${shown(server)} is not a server of net, tls, http, https or http2`);
  });
}
