import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Timers } from '../common/clock.ts';
import { formatDuration } from '../common/duration.ts';
import { reasonOf } from '../common/errors.ts';
import type { Address } from '../config/address.ts';
import type { HttpGateConfig } from '../config/schema.ts';
import { formatAddress } from '../linux/sockaddr.ts';
import { startAttempts } from './attempts.ts';
import { endingWithFin } from './end-socket.ts';
import type { Gate, GateCallbacks } from './gate.ts';
import type { OpenProbe } from './probes.ts';
import { connectOptions, connectTo } from './target.ts';

// A response is read to its end, so that the service does not log a broken connection. This is the limit.
const BODY_LIMIT = 64 * 1024;

/**
 * Passes when a GET is answered with one of the configured statuses. Each attempt uses its own connection.
 * @param open required if the config names a listener: the connection reaches exactly this worker
 */
export function startHttpGate(
  config: HttpGateConfig,
  open: OpenProbe | null,
  timers: Timers,
  callbacks: GateCallbacks,
): Gate {
  return startAttempts(
    {
      name: 'http',
      interval: config.interval,
      timers,
      attempt: (stop) => getOnce(config, open, timers, stop),
    },
    callbacks,
  );
}

/** One request and its target. */
export type HttpRequest = Pick<
  HttpGateConfig,
  'listener' | 'address' | 'path' | 'status' | 'host' | 'timeout'
>;

/**
 * One request: resolves to null on a good answer, else to the reason. Ends soon after `stop` is aborted. Rejects if no
 * probe can be opened.
 */
export async function getOnce(
  config: HttpRequest,
  open: OpenProbe | null,
  timers: Timers,
  stop: AbortSignal,
): Promise<string | null> {
  // Loaded here: 200 KB that a service without this gate does not need.
  const { request } = await import('node:http');
  if (stop.aborted) return 'stopped';
  const { path, timeout } = config;
  const socket = await connectTo(config, open);
  // The probe of a listener sends its own FIN.
  const connection = config.listener === undefined ? endingWithFin(socket) : socket;
  if (stop.aborted) {
    connection.destroy();
    return 'stopped';
  }
  const host = config.host ?? (config.listener === undefined ? undefined : hostOf(socket));
  return new Promise((resolve) => {
    const outgoing = request({
      // node:http ignores createConnection if an agent is given, even `false` (node:http, request).
      createConnection: () => connection,
      ...(config.address === undefined ? {} : hostOptions(config.address)),
      path,
      method: 'GET',
      headers: {
        connection: 'close',
        'user-agent': 'zero-readiness',
        ...hostHeader(host),
      },
      signal: stop,
    });
    const end = (reason: string | null): void => resolve(reason === null ? null : `GET ${path}${reason}`);
    const timer = timers.set(timeout, () =>
      outgoing.destroy(new Error(`no answer within ${formatDuration(timeout)}`)),
    );
    outgoing.on('close', () => timers.clear(timer));
    outgoing.on('error', (error) => {
      timers.clear(timer);
      end(`: ${reasonOf(error)}`);
    });
    outgoing.on('response', (response) => {
      discard(response);
      const status = response.statusCode ?? 0;
      end(
        config.status.some(({ from, to }) => status >= from && status <= to) ? null : ` returned ${status}`,
      );
    });
    outgoing.end();
  });
}

function discard(response: IncomingMessage): void {
  let length = 0;
  response.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length > BODY_LIMIT) response.destroy();
  });
  // The status has decided. The rest of the answer does not matter.
  response.on('error', () => {});
}

/** node:http creates the Host header from these. */
function hostOptions(address: Address): { host: string; port: number } | Record<string, never> {
  const options = connectOptions(address);
  return 'path' in options ? {} : options;
}

function hostHeader(host: string | undefined): { host: string } | Record<string, never> {
  return host === undefined ? {} : { host };
}

/** The address that the probe is connected to. A Unix socket has no address for a Host header. */
function hostOf({ remoteAddress, remotePort }: Socket): string {
  if (remoteAddress === undefined || remotePort === undefined) return 'localhost';
  const family = remoteAddress.includes(':') ? 'inet6' : 'inet';
  return formatAddress({ family, host: remoteAddress, port: remotePort });
}
