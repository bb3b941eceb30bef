import type { IncomingMessage } from 'node:http';
import type { Address } from '../config/address.ts';
import type { HttpGateConfig } from '../config/schema.ts';
import { reasonOf, startAttempts } from './attempts.ts';
import type { Gate, GateCallbacks, Timers } from './gate.ts';
import { connectOptions } from './target.ts';

// An answer is read to its end, so that the service does not log a broken connection; but no more of it than this.
const BODY_LIMIT = 64 * 1024;

/** Passes when a GET is answered with one of the statuses. Each attempt has a connection of its own. */
export function startHttpGate(config: HttpGateConfig, timers: Timers, callbacks: GateCallbacks): Gate {
  return startAttempts(
    {
      name: 'http',
      interval: config.interval,
      timers,
      attempt: (stop) => getOnce(config, timers, stop),
    },
    callbacks,
  );
}

async function getOnce(config: HttpGateConfig, timers: Timers, stop: AbortSignal): Promise<string | null> {
  // Loaded here: 200 KB that a service without this gate does not pay for.
  const { request } = await import('node:http');
  if (stop.aborted) return 'stopped';
  const { path, timeout } = config;
  return new Promise((resolve) => {
    const outgoing = request({
      ...httpOptions(config.address),
      path,
      method: 'GET',
      agent: false,
      headers: {
        connection: 'close',
        'user-agent': 'zero-readiness',
        ...(config.host === undefined ? {} : { host: config.host }),
      },
      signal: stop,
    });
    const end = (reason: string | null): void => {
      resolve(reason === null ? null : `GET ${path}: ${reason}`);
    };
    const timer = timers.set(timeout, () => outgoing.destroy(new Error(`no answer within ${timeout} ms`)));
    outgoing.on('close', () => timers.clear(timer));
    outgoing.on('error', (error) => {
      timers.clear(timer);
      end(reasonOf(error));
    });
    outgoing.on('response', (response) => {
      discard(response);
      const status = response.statusCode ?? 0;
      end(config.status.some(({ from, to }) => status >= from && status <= to) ? null : `${status}`);
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

function httpOptions(address: Address): { host: string; port: number } | { socketPath: string } {
  const options = connectOptions(address);
  return 'path' in options ? { socketPath: options.path } : options;
}
