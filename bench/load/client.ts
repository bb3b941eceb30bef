// A separate process that sends requests as fast as they are answered. Unlike test/support's load it records no single
// request.
import { connect, type Socket } from 'node:net';
import { runScript } from '../../test/support/fastcgi.ts';
import type { LoadOptions, Order, Taken } from './protocol.ts';

const KEEP_ALIVE = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';
const SHORT = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
const HEAD_END = '\r\n\r\n';

let since = performance.now();
let failed = 0;
let latencies: number[] = [];
let turn = 0;
/** The clients of an earlier load stop. */
let current: LoadOptions | null = null;

/** One client: a request, its answer, the next request; on a new connection whenever the old one is over. */
class Client {
  readonly #options: LoadOptions;
  #socket: Socket | null = null;
  #begin = 0;
  /** Whether a request is in progress. */
  #isWaiting = false;
  #received: Buffer | null = null;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#ask();
  }

  #ask(): void {
    if (this.#options !== current) {
      this.#socket?.removeAllListeners('close').destroy();
      return;
    }
    this.#begin = performance.now();
    this.#isWaiting = true;
    this.#socket ??= this.#connect();
    this.#socket.write(this.#options.connections === 'short' ? SHORT : KEEP_ALIVE, 'latin1');
  }

  #connect(): Socket {
    const { ports } = this.#options;
    turn += 1;
    const socket = connect({ host: '127.0.0.1', port: ports[turn % ports.length] ?? 0, noDelay: true });
    socket.on('data', (chunk: Buffer) => this.#take(socket, chunk));
    socket.on('error', () => this.#over(socket));
    socket.on('close', () => this.#over(socket));
    return socket;
  }

  #take(socket: Socket, chunk: Buffer): void {
    const received = this.#received === null ? chunk : Buffer.concat([this.#received, chunk]);
    const head = received.indexOf(HEAD_END);
    const text = head === -1 ? '' : received.toString('latin1', 0, head);
    const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? Number.NaN);
    if (head === -1 || received.length < head + HEAD_END.length + length) {
      this.#received = received;
      return;
    }
    this.#received = null;
    this.#isWaiting = false;
    latencies.push(performance.now() - this.#begin);
    // The server closes the connection as announced. The client has already opened its next one.
    if (/connection: close/i.test(text)) this.#socket = null;
    if (!text.startsWith('HTTP/1.1 200 ') || Number.isNaN(length)) failed += 1;
    if (this.#socket === null) socket.removeAllListeners('close');
    this.#next();
  }

  #over(socket: Socket): void {
    if (socket !== this.#socket) return;
    this.#received = null;
    this.#socket = null;
    // A server may end a connection that is idle (RFC 9112, section 9.3.1): the next request gets another one.
    if (!this.#isWaiting) return;
    this.#isWaiting = false;
    failed += 1;
    this.#next();
  }

  #next(): void {
    if (this.#options.think > 0) setTimeout(() => this.#ask(), this.#options.think);
    else this.#ask();
  }
}

/** One FastCGI client: a request on its own connection, the response, the next request. */
async function askScripts(options: LoadOptions, script: string): Promise<void> {
  while (options === current) {
    const begin = performance.now();
    try {
      await runScript(`127.0.0.1:${options.ports[0]}`, script);
      latencies.push(performance.now() - begin);
    } catch {
      failed += 1;
    }
  }
}

function take(): Taken {
  const now = performance.now();
  const taken = { seconds: (now - since) / 1_000, answered: latencies.length, failed, latencies };
  since = now;
  failed = 0;
  latencies = [];
  return taken;
}

process.on('message', (order: Order) => {
  if (order.type === 'take') {
    process.send?.(take());
    return;
  }
  current = order.options;
  const { clients, script } = current;
  for (let count = 0; count < clients; count += 1) {
    if (script === undefined) new Client(current);
    else void askScripts(current, script);
  }
});
process.on('disconnect', () => process.exit());
