import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Journal } from './journal.ts';
import type { Scope } from './temporary.ts';

/**
 * An HTTP server in the test process that a `readiness.http` gate queries. The test decides when a candidate is ready.
 */
export interface GateServer {
  /** HOST:PORT. */
  readonly address: string;
  /** Answers 200 from now on. */
  open(): void;
  /** Answers 503 from now on, which is the initial state. */
  shut(): void;
  /** Resolves after this total number of requests. */
  whenAsked(count: number): Promise<void>;
}

export async function startGateServer(scope: Scope): Promise<GateServer> {
  let status = 503;
  const asked = new Journal<number>();
  const server = createServer((_request, response) => {
    response.writeHead(status, { Connection: 'close' }).end();
    asked.push(status);
  });
  scope.after(() => {
    server.close();
    server.closeAllConnections();
  });
  await listening(server);
  const { port } = server.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    open() {
      status = 200;
    },
    shut() {
      status = 503;
    },
    async whenAsked(count) {
      await asked.waitFor(() => asked.entries.length >= count);
    },
  };
}

function listening(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
}
