import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Scope } from './temporary.ts';

/** An HTTP server in the test process, behind a proxy. */
export interface Backend {
  /** HOST:PORT. */
  readonly address: string;
  /** Ids of the answered requests. */
  readonly ids: readonly string[];
}

export async function startBackend(scope: Scope): Promise<Backend> {
  const ids: string[] = [];
  const server = createServer((request, response) => {
    const id = new URL(request.url ?? '/', 'http://localhost').searchParams.get('id');
    response.once('finish', () => ids.push(id ?? ''));
    response.end('ok\n');
  });
  scope.after(() => {
    server.close();
    server.closeAllConnections();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, ids };
}
