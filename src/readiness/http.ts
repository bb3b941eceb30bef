import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Timers } from '../common/clock.ts';
import { reasonOf } from '../common/errors.ts';
import type { Address } from '../config/address.ts';
import type { HttpGateConfig } from '../config/schema.ts';
import { formatAddress } from '../linux/sockaddr.ts';
import { startAttempts } from './attempts.ts';
import { endingWithFin } from './end-socket.ts';
import type { Gate, GateCallbacks } from './gate.ts';
import type { OpenProbe } from './probes.ts';
import { connectOptions, connectTo } from './target.ts';

// An answer is read to its end, so that the service does not log a broken connection; but no more of it than this.
const BODY_LIMIT = 64 * 1024;

/**
 * Passes when a GET is answered with one of the statuses. Each attempt has a connection of its own.
 * @param open required where the config names a listener: the connection reaches exactly this worker
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

/** What one request asks, and where. */
export type HttpRequest = Pick<
  HttpGateConfig,
  'listener' | 'address' | 'path' | 'status' | 'host' | 'timeout'
>;

/** One request: null where the answer is a good one, else the reason. Ends soon after `stop` is aborted. Rejects where no probe can be had. */
export async function getOnce(
  config: HttpRequest,
  open: OpenProbe | null,
  timers: Timers,
  stop: AbortSignal,
): Promise<string | null> {
  // Loaded here: 200 KB that a service without this gate does not pay for.
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
      // createConnection is not asked where an agent is given, `false` included (node:http, request).
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
    const timer = timers.set(timeout, () => outgoing.destroy(new Error(`no answer within ${timeout} ms`)));
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
  // The status has been judged; what happens to the rest of the answer is of no interest.
  response.on('error', () => {});
}

/** From these node:http makes the Host header. */
function hostOptions(address: Address): { host: string; port: number } | Record<string, never> {
  const options = connectOptions(address);
  return 'path' in options ? {} : options;
}

function hostHeader(host: string | undefined): { host: string } | Record<string, never> {
  return host === undefined ? {} : { host };
}

/** The address that the probe is connected to; a Unix socket has none that a Host header could say. */
function hostOf({ remoteAddress, remotePort }: Socket): string {
  if (remoteAddress === undefined || remotePort === undefined) return 'localhost';
  const family = remoteAddress.includes(':') ? 'inet6' : 'inet';
  return formatAddress({ family, host: remoteAddress, port: remotePort });
}
