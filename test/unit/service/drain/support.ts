import { once } from 'node:events';
import { type AddressInfo, connect, type Server, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { watchServer } from '../../../../src/service/drain/watch.ts';
import type { Scope } from '../../../support/temporary.ts';

/** No test waits longer than this for anything. */
export const LIMIT = { timeout: 20_000 } as const;

/** More than a test takes, and far less than its limit. */
export const LONG = { timeoutMs: 10_000 } as const;

/** Ends idle connections soon, and leaves time to see their clients go. */
export const SOON = { timeoutMs: 10_000, idleMs: 50 } as const;

/** Listens on a free port for the length of the test. `watched`: as the library does with every server that it is given. */
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

/** A client that does nothing by itself, and keeps what it received. */
export class RawClient {
  readonly socket: Socket;
  /** All that came, then `[end]` for the server's FIN and `[ECONNRESET]` for a reset. */
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

  /** Resolves once what has come matches; rejects when the connection closes without. */
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

/** Connected, and accepted by the server: it has made a connection of it. */
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

/** The heads of the answers in a text, in lower case. */
export const headsIn = (text: string): string[] =>
  (text.match(/HTTP\/1\.1 \d[\s\S]*?\r\n\r\n/g) ?? []).map((head) => head.toLowerCase());

/** Asks, waits for the answer `ok`, and so is idle then. */
export async function askOnce(client: RawClient): Promise<void> {
  await client.send(get()).until(/ok$/);
}
