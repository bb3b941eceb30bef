import { once } from 'node:events';
import { type AddressInfo, connect, type Server, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { watchServer } from '../../../../src/service/drain/watch.ts';
import type { Scope } from '../../../support/temporary.ts';

/** The time limit of every test. */
export const LIMIT = { timeout: 20_000 } as const;

/** Longer than a test takes, and far below its limit. */
export const LONG = { timeoutMs: 10_000 } as const;

/** Ends idle connections soon, with time for their clients to close. */
export const SOON = { timeoutMs: 10_000, idleMs: 50 } as const;

/**
 * Listens on a free port until the end of the test. `watched`: the library watches the server, as it does with every
 * given server.
 */
export async function serve(scope: Scope, server: Server, watched = true): Promise<number> {
  if (watched) watchServer(server);
  const open = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  scope.after(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A client that acts only for the test, and keeps its received data. */
export class RawClient {
  readonly socket: Socket;
  /** Everything received, then `[end]` for the server's FIN and `[ECONNRESET]` for a reset. */
  text = '';
  readonly closed: Promise<void>;
  #wake: () => void = () => undefined;

  constructor(scope: Scope, socket: Socket) {
    this.socket = socket;
    scope.after(() => {
      socket.destroy();
    });
    socket.on('data', (chunk: Buffer) => this.#note(chunk.toString('latin1')));
    socket.on('end', () => this.#note('[end]'));
    socket.on('error', (error: NodeJS.ErrnoException) => this.#note(`[${error.code}]`));
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#note('');
        resolve();
      });
    });
  }

  send(text: string): this {
    this.socket.write(text, 'latin1');
    return this;
  }

  /** Resolves when the received text matches. Rejects when the connection closes before. */
  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.text)) {
      if (this.socket.closed) throw new Error(`closed before ${pattern}: ${JSON.stringify(this.text)}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.text;
  }

  #note(text: string): void {
    this.text += text;
    this.#wake();
  }
}

/** A connected client that the server has accepted. */
export async function open(scope: Scope, server: Server, port: number): Promise<RawClient> {
  const accepted = once(server, 'connection');
  const client = new RawClient(scope, connect({ port, host: '127.0.0.1', allowHalfOpen: true }));
  await accepted;
  return client;
}

export async function openTls(
  scope: Scope,
  server: Server,
  port: number,
  options: ConnectionOptions = {},
): Promise<RawClient> {
  const accepted = once(server, 'secureConnection');
  const client = new RawClient(
    scope,
    connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options }),
  );
  await accepted;
  return client;
}

export const get = (path = '/'): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

/** The heads of the responses in a text, in lower case. */
export const headsIn = (text: string): string[] =>
  (text.match(/HTTP\/1\.1 \d[\s\S]*?\r\n\r\n/g) ?? []).map((head) => head.toLowerCase());

/** Sends a request and waits for the response `ok`. The connection is then idle. */
export async function askOnce(client: RawClient): Promise<void> {
  await client.send(get()).until(/ok$/);
}
