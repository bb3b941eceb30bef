import { once } from 'node:events';
import net, { type Socket } from 'node:net';
import { join } from 'node:path';
import {
  type ControlServer,
  type ControlServerOptions,
  createControlServer,
} from '../../../src/control/server.ts';
import type { Identity } from '../../../src/control/version.ts';
import { type Scope, temporaryFolder } from '../../support/temporary.ts';
import { FakeControl, FakeViews } from './fake-control.ts';

/** The supervisor whose control server is tested. */
export const IDENTITY: Identity = { version: '1.2.3', name: 'example', pid: 4242 };

export interface Served {
  readonly path: string;
  readonly folder: string;
  readonly control: FakeControl;
  readonly views: FakeViews;
  readonly server: ControlServer;
  readonly warnings: string[];
}

/** A control server on a new socket, closed at the end of the test. */
export async function serve(scope: Scope, options: Partial<ControlServerOptions> = {}): Promise<Served> {
  const folder = temporaryFolder(scope);
  const { path = join(folder, 'control.sock') } = options;
  const control = new FakeControl();
  const views = new FakeViews();
  const warnings: string[] = [];
  const server = await createControlServer({
    path,
    mode: 0o600,
    group: null,
    control,
    views,
    identity: IDENTITY,
    warn: (message) => warnings.push(message),
    ...options,
  });
  scope.after(() => server.close());
  return { path, folder, control, views, server, warnings };
}

/** A new connection, ended at the end of the test. */
export async function connect(scope: Scope, path: string): Promise<Socket> {
  const socket = net.connect({ path, allowHalfOpen: true });
  socket.on('error', () => {});
  scope.after(() => void socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** Everything received until the server ends the connection. */
export function received(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve) => socket.on('close', () => resolve(Buffer.concat(chunks).toString())));
}

/** Sends these bytes and returns the whole response. */
export async function talk(scope: Scope, path: string, bytes: string | Buffer): Promise<string> {
  const socket = await connect(scope, path);
  const answer = received(socket);
  socket.once('end', () => socket.end());
  socket.write(bytes);
  return answer;
}

export interface Answered {
  readonly status: number;
  readonly headers: string;
  readonly body: unknown;
}

/** Splits a response with a JSON body. */
export function parseAnswer(text: string): Answered {
  const [headers = '', body = ''] = text.split('\r\n\r\n');
  return { status: Number(headers.split(' ')[1]), headers, body: body === '' ? null : JSON.parse(body) };
}

/** Sends one request, and returns the response. */
export async function request(
  scope: Scope,
  path: string,
  line: string,
  body = '',
  headers: readonly string[] = body === '' ? [] : ['Content-Type: application/json'],
): Promise<Answered> {
  const head = [`${line} HTTP/1.1`, 'Host: zero', ...headers, `Content-Length: ${Buffer.byteLength(body)}`];
  return parseAnswer(await talk(scope, path, `${head.join('\r\n')}\r\n\r\n${body}`));
}
