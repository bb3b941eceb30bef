import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Journal } from './journal.ts';
import { type Scope, temporaryFolder } from './temporary.ts';

/** A request to a webhook: its parsed body. */
export interface Delivered {
  readonly path: string;
  readonly authorization: string | undefined;
  readonly contentType: string | undefined;
  readonly document: Readonly<Record<string, unknown>>;
}

/** A server on this machine that receives JSON documents like a webhook. */
export interface Webhook {
  /** A config file for curl with the URL and a token. */
  readonly config: string;
  /** Part of the URL. It must never be logged. */
  readonly secret: string;
  readonly delivered: Journal<Delivered>;
  /** Sets the status of later responses. */
  answer(status: number): void;
}

export async function startWebhook(scope: Scope): Promise<Webhook> {
  const delivered = new Journal<Delivered>();
  const secret = 'T0-secret-path';
  let status = 200;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    response.writeHead(status).end('ok');
    const { authorization, 'content-type': contentType } = request.headers;
    const document = JSON.parse(Buffer.concat(chunks).toString());
    delivered.push({ path: request.url ?? '', authorization, contentType, document });
  });
  scope.after(() => {
    server.close();
    server.closeAllConnections();
    delivered.close(() => new Error('the test is over'));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const config = join(temporaryFolder(scope), 'webhook.curl');
  writeFileSync(
    config,
    `url = "http://127.0.0.1:${port}/${secret}"\nheader = "Authorization: Bearer ${secret}"\n`,
    {
      mode: 0o600,
    },
  );
  return {
    config,
    secret,
    delivered,
    answer(next) {
      status = next;
    },
  };
}
