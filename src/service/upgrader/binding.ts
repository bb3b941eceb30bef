import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Handed } from '../seams.ts';
import type { Inherited } from './descriptor.ts';
import { descriptorOf, isDatagramSocket } from './handle.ts';
import type { BindOptions } from './options.ts';
import type { Asked } from './socket-name.ts';

/** Throws unless it is a socket of node:dgram that can still be bound. */
export function assertDatagramSocket(socket: unknown): asserts socket is Socket {
  if (typeof socket !== 'object' || socket === null || !isDatagramSocket(socket))
    throw new TypeError('bind: not a socket of node:dgram');
  if (isBound(socket)) throw new Error('bind: this socket is bound already, but not through the upgrader');
}

export const askedOfDatagrams = (socket: Socket, { host, port }: BindOptions): Asked => ({
  network: (socket as unknown as { readonly type: 'udp4' | 'udp6' }).type,
  host: host === undefined || host === '' ? null : host,
  port,
});

/** Reads from a socket that a manager or the previous process passed on. */
export async function bindTo(socket: Socket, { fd }: Inherited | Handed): Promise<void> {
  const listening = once(socket, 'listening');
  socket.bind({ fd });
  await listening;
}

export async function bindAfresh(socket: Socket, { host, port, open }: BindOptions): Promise<void> {
  if (open !== undefined) {
    await open(socket);
    if (!isBound(socket)) throw new Error('bind: `open` has returned and the socket is not bound');
    return;
  }
  const listening = once(socket, 'listening');
  socket.bind({ port, ...(host !== undefined && { address: host }) });
  await listening;
}

/** `address()` throws for a socket that is not bound (EBADF) or is closed. */
function isBound(socket: Socket): boolean {
  if (descriptorOf(socket) === null) return false;
  try {
    return socket.address().port !== 0;
  } catch {
    return false;
  }
}
