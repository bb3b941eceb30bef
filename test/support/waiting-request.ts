import { connect } from 'node:net';
import { parseTarget } from './target.ts';
import type { Scope } from './temporary.ts';

/** The process that answered. */
export interface Answerer {
  readonly generation: number;
  readonly pid: number;
}

/** A request whose connection the kernel has accepted. Any process may accept it at any time. */
export interface WaitingRequest {
  /** Rejects when the connection ends without a response. */
  readonly answer: Promise<Answerer>;
}

/** A connected client that has sent nothing yet. */
export interface SilentClient {
  send(): WaitingRequest;
}

/**
 * Resolves when the client has connected.
 * @param from source address; omitted: the kernel's choice
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
  // A test that awaits the answer gets the error. Until then the rejection is handled here.
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

/** Resolves when the connection is established. From then on it is in a queue or accepted by a process. */
export async function sendRequest(scope: Scope, address: string, from?: string): Promise<WaitingRequest> {
  return (await connectSilently(scope, address, from)).send();
}

/** Sends several requests, one after the other. */
export async function sendRequests(scope: Scope, address: string, count: number): Promise<WaitingRequest[]> {
  const requests: WaitingRequest[] = [];
  while (requests.length < count) requests.push(await sendRequest(scope, address));
  return requests;
}

/** All answers. */
export function answers(requests: readonly WaitingRequest[]): Promise<Answerer[]> {
  return Promise.all(requests.map(({ answer }) => answer));
}
