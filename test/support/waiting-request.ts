import { connect } from 'node:net';
import { parseTarget } from './target.ts';
import type { Scope } from './temporary.ts';

/** Who answered. */
export interface Answerer {
  readonly generation: number;
  readonly pid: number;
}

/** A request whose connection the kernel has taken, and that any process may accept at any time. */
export interface WaitingRequest {
  /** Rejects when the connection ends without an answer. */
  readonly answer: Promise<Answerer>;
}

/** A client that is connected and has not said anything yet. */
export interface SilentClient {
  send(): WaitingRequest;
}

/**
 * Resolves when the connection is established for the client.
 * @param from source address; left out: the kernel's choice
 */
export async function connectSilently(scope: Scope, address: string, from?: string): Promise<SilentClient> {
  const socket = connect({ ...parseTarget(address), ...(from !== undefined && { localAddress: from }) });
  scope.after(() => {
    socket.destroy();
  });
  const answer = new Promise<Answerer>((resolve, reject) => {
    let text = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', reject);
    socket.on('close', () => {
      const [, body] = /^HTTP\/1\.1 \d+ .*?\r\n\r\n(.+)$/s.exec(text) ?? [];
      if (body === undefined) reject(new Error(`no answer but ${JSON.stringify(text)}`));
      else resolve(JSON.parse(body));
    });
  });
  // A test that awaits it gets the error; until then it is no unhandled rejection.
  answer.catch(() => undefined);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  return {
    send() {
      socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
      return { answer };
    },
  };
}

/** Resolves when the connection is established: from then on it is in a queue, or somebody's. */
export async function sendRequest(scope: Scope, address: string, from?: string): Promise<WaitingRequest> {
  return (await connectSilently(scope, address, from)).send();
}

/** Several of them, one after the other. */
export async function sendRequests(scope: Scope, address: string, count: number): Promise<WaitingRequest[]> {
  const requests: WaitingRequest[] = [];
  while (requests.length < count) requests.push(await sendRequest(scope, address));
  return requests;
}

/** The answers of all. */
export function answers(requests: readonly WaitingRequest[]): Promise<Answerer[]> {
  return Promise.all(requests.map(({ answer }) => answer));
}
