import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Timers } from '../common/clock.ts';
import { formatDuration } from '../common/duration.ts';

export interface SentryRequest {
  /** The ingest endpoint. Its query contains the key, so no message may contain it. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timers: Timers;
}

export interface SentryResponse {
  statusCode: number;
  headers: { 'x-sentry-rate-limits': string | null; 'retry-after': string | null };
}

const TIMEOUT = 10_000;

/**
 * Posts one envelope on a separate connection. Does not use fetch, which would load 5 MB of undici. Rejects with the
 * error of the connection.
 */
export async function postEnvelope(
  body: string | Uint8Array,
  { url, headers, timers }: SentryRequest,
): Promise<SentryResponse> {
  const { request } = url.startsWith('https:') ? await import('node:https') : await import('node:http');
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      method: 'POST',
      agent: false,
      headers: { ...headers, 'content-type': 'application/x-sentry-envelope', connection: 'close' },
    });
    const timer = timers.set(TIMEOUT, () =>
      outgoing.destroy(new Error(`no answer within ${formatDuration(TIMEOUT)}`)),
    );
    outgoing.on('socket', (socket) => socket.unref());
    outgoing.on('close', () => timers.clear(timer));
    outgoing.on('error', reject);
    outgoing.on('response', (response) => {
      discard(response, outgoing);
      resolve({
        statusCode: response.statusCode ?? 0,
        headers: {
          'x-sentry-rate-limits': header(response, 'x-sentry-rate-limits'),
          'retry-after': header(response, 'retry-after'),
        },
      });
    });
    outgoing.end(body);
  });
}

function discard(response: IncomingMessage, outgoing: ClientRequest): void {
  let length = 0;
  response.on('error', () => {});
  response.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length > 65_536) outgoing.destroy();
  });
}

function header(response: IncomingMessage, name: string): string | null {
  const value = response.headers[name];
  return typeof value === 'string' ? value : null;
}
