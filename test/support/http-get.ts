import { get } from 'node:http';
import { parseTarget } from './target.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** Sends one GET on a separate connection. Rejects with the error of the connection. */
export function httpGet(address: string, path: string): Promise<HttpAnswer> {
  const target = parseTarget(address);
  const place = 'path' in target ? { socketPath: target.path } : target;
  return new Promise((resolve, reject) => {
    const request = get({ ...place, path, agent: false, timeout: 20_000 }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
      response.on('error', reject);
    });
    request.on('timeout', () => request.destroy(new Error(`no answer from ${address}${path}`)));
    request.on('error', reject);
  });
}
