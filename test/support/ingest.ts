import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { Journal } from './journal.ts';
import type { Scope } from './temporary.ts';

/** An event as Sentry received it: the payload, and the whole envelope with headers and URL as one text. */
export interface ReceivedEvent {
  readonly event: Readonly<Record<string, unknown>>;
  readonly everything: string;
}

/** A server that receives envelopes like Sentry. */
export interface Ingest {
  readonly dsn: string;
  readonly key: string;
  readonly events: readonly ReceivedEvent[];
  /** The first event with this exception, received already or later. */
  event(type: string, value: string): Promise<ReceivedEvent>;
}

export async function startIngest(scope: Scope): Promise<Ingest> {
  const key = '0123456789abcdef0123456789abcdef';
  const journal = new Journal<ReceivedEvent>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      response.end('{}');
      const body = Buffer.concat(chunks).toString();
      const everything = `${request.url}\n${JSON.stringify(request.headers)}\n${body}`;
      for (const event of eventsOf(body)) journal.push({ event, everything });
    });
  });
  scope.after(() => {
    server.close();
    server.closeAllConnections();
    journal.close(() => new Error('the test is over'));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    dsn: `http://${key}@127.0.0.1:${port}/7`,
    key,
    events: journal.entries,
    event: (type, value) =>
      journal.waitFor(({ event }) => isDeepStrictEqual(event.exception, { values: [{ type, value }] })),
  };
}

/**
 * An envelope is a header, and for each item a header and a payload, each one line here (develop.sentry.dev,
 * Envelopes).
 */
function eventsOf(envelope: string): Record<string, unknown>[] {
  const [, ...items] = envelope
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
  return items.filter((_, index) => index % 2 === 1 && items[index - 1]?.type === 'event');
}
