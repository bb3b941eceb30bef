import { Server } from 'node:net';
import type { Wanted } from '../seams.ts';

/** The original method. */
export type Listen = (this: Server, ...args: unknown[]) => Server;

/** Makes every `listen` of this thread call `decide`: servers of http, https, http2 and tls use the method of net. */
export function replaceListen(decide: (server: Server, args: unknown[], listen: Listen) => Server): void {
  const listen = Server.prototype.listen as Listen;
  Server.prototype.listen = function (this: Server, ...args: unknown[]) {
    return decide(this, args, listen);
  } as Server['listen'];
}

/** The arguments of a call of `net.Server.listen`. */
export interface ListenCall {
  /** Null if the call names no address: another handle, a descriptor, nothing. */
  readonly wanted: Wanted | null;
  /** The descriptor that the program passes; null if it passes none. */
  readonly fd: number | null;
  readonly backlog: number | undefined;
  readonly signal: AbortSignal | undefined;
  readonly callback: (() => void) | undefined;
}

/**
 * Reads the arguments as Node does (normalizeArgs and Server.prototype.listen, lib/net.js): `(options)`, `(port, host,
 * backlog)`, `(path, backlog)`, each with an optional callback at the end.
 */
export function readListenCall(args: readonly unknown[]): ListenCall {
  const [first, second, third] = args;
  const last = args.at(-1);
  const options = optionsOf(first, second);
  const { port, host, path, fd, backlog, signal } = options;
  return {
    wanted: wantedBy(port, host, path, fd),
    fd: typeof fd === 'number' ? fd : null,
    backlog: numberOf(second) ?? numberOf(third) ?? numberOf(backlog),
    signal: signal as AbortSignal | undefined,
    callback: typeof last === 'function' ? (last as () => void) : undefined,
  };
}

function optionsOf(first: unknown, second: unknown): Record<string, unknown> {
  if (typeof first === 'object' && first !== null) return first as Record<string, unknown>;
  if (typeof first === 'string' && numberOf(first) === undefined) return { path: first };
  return { port: first, ...(typeof second === 'string' && { host: second }) };
}

function wantedBy(port: unknown, host: unknown, path: unknown, fd: unknown): Wanted | null {
  if (typeof fd === 'number') return null;
  const number = numberOf(port);
  if (number !== undefined)
    return { type: 'stream', port: number, ...(typeof host === 'string' && { host }) };
  return typeof path === 'string' ? { type: 'stream', path } : null;
}

/** A port may be a number or a string of digits. */
function numberOf(value: unknown): number | undefined {
  if (typeof value === 'string' && value.trim() === '') return undefined;
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  const number = Number(value);
  return number >= 0 ? number : undefined;
}
