import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { ROOT } from './paths.ts';
import type { Scope } from './temporary.ts';

/** The request of a command to a supervisor of an earlier version, and the response. See test/fixtures/formats. */
export interface RecordedExchange {
  readonly name: string;
  readonly request: {
    readonly method: 'GET' | 'POST';
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
  };
  readonly answer: {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly lines: readonly string[];
  };
}

/** Every exchange that was recorded with that version of the control protocol. */
export function recordedExchanges(protocol: number): RecordedExchange[] {
  const folder = join(ROOT, 'test/fixtures/formats', `control-${protocol}`);
  return readdirSync(folder).map((file) => ({
    name: file.replace('.json', ''),
    ...JSON.parse(readFileSync(join(folder, file), 'utf8')),
  }));
}

type Headers = Readonly<Record<string, string>>;

const head = (first: string, headers: Headers): string =>
  `${[first, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)].join('\r\n')}\r\n\r\n`;

/** The bytes of a request. */
export function requestText({ method, path, headers, body }: RecordedExchange['request']): string {
  const length = { 'Content-Length': String(Buffer.byteLength(body)) };
  return `${head(`${method} ${path} HTTP/1.1`, { ...headers, ...length })}${body}`;
}

/** The bytes of a response, which ends with the connection. `more`: headers that were not recorded. */
export function answerText(
  { status, headers, lines }: RecordedExchange['answer'],
  more: Headers = {},
): string {
  return `${head(`HTTP/1.1 ${status} x`, { ...headers, ...more })}${lines.map((line) => `${line}\n`).join('')}`;
}

/** A supervisor that responds to every request with the same bytes. Resolves to its received requests. */
export async function startFakeSupervisor(scope: Scope, path: string, answer: string): Promise<string[]> {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('data', (bytes) => {
      requests.push(bytes.toString());
      socket.end(answer);
    });
  });
  scope.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return requests;
}
