import type { ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { rawOf } from './node-internals.ts';
import type { WebSocketConnection } from './websocket.ts';

/** How the drain closed a connection that its client did not end. */
export type Fate = 'closed idle' | 'cut';

const KEY = Symbol('zerodown.connection');
type Keyed = { [KEY]?: Connection };

/**
 * One connection that a server accepted, with its layers: TLS, an HTTP/2 session, another protocol after an upgrade.
 */
export class Connection {
  readonly raw: Socket;
  secure: TLSSocket | null = null;
  session: ServerHttp2Session | null = null;
  /** The connection no longer speaks HTTP: it is a WebSocket, or a protocol that only the service knows. */
  upgraded: WebSocketConnection | 'unknown' | null = null;
  toldToClose = false;
  raced = false;
  fate: Fate | null = null;

  constructor(raw: Socket) {
    this.raw = raw;
    (raw as Keyed)[KEY] = this;
  }

  secured(socket: TLSSocket): void {
    this.secure = socket;
    (socket as Keyed)[KEY] = this;
  }

  /** The stream that the service reads and writes. */
  get socket(): Socket {
    return this.secure ?? this.raw;
  }
}

/** The connection of a socket that a watched server accepted, plain or TLS. */
export function connectionOf(socket: object | null | undefined): Connection | undefined {
  return (socket as Keyed | null | undefined)?.[KEY];
}

/** The connection below a TLS socket whose handshake has just ended. */
export const connectionBelow = (socket: TLSSocket): Connection | undefined => connectionOf(rawOf(socket));
