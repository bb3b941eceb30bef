import type { IncomingMessage } from 'node:http';
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { Server, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { Connection, connectionBelow, connectionOf } from './connection.ts';
import { acceptedSockets, http1Sockets, http2Sessions, rawOf, socketOfSession } from './node-internals.ts';
import type { DrainReport } from './report.ts';
import { asksForWebSocket, WebSocketConnection } from './websocket.ts';

/** Receives the events of a watched server during a drain. */
export interface Listener {
  accepted(connection: Connection): void;
  sessionBegan(connection: Connection, session: ServerHttp2Session): void;
  upgraded(connection: Connection): void;
  closed(connection: Connection): void;
}

/** Records the connections of a server. The cost is per connection, not per request. */
export class ServerWatch {
  readonly server: Server;
  readonly connections = new Set<Connection>();
  /** Resolves when a drain of this server is over. */
  readonly drained: Promise<DrainReport>;
  listener: Listener | null = null;
  #resolveDrained!: (report: DrainReport) => void;
  /**
   * Node creates an HTTP/2 session, and emits its event, together with its socket. The session's own socket is a proxy
   * that does not identify the connection.
   */
  #newest: Connection | null = null;

  constructor(server: Server) {
    this.server = server;
    this.drained = new Promise((resolve) => {
      this.#resolveDrained = resolve;
    });
    // Runs before the server's own listeners, which create sessions for connections.
    server.prependListener('connection', (socket: Socket) => this.#accept(socket));
    server.prependListener('secureConnection', (socket: TLSSocket) => this.#secure(socket));
    server.prependListener('session', (session: ServerHttp2Session) => this.#begin(session));
    this.#followUpgrades();
    this.#findOlder();
  }

  end(report: DrainReport): void {
    this.listener = null;
    this.#resolveDrained(report);
  }

  #accept(socket: Socket): Connection {
    const connection = new Connection(socket);
    this.connections.add(connection);
    this.#newest = connection;
    socket.once('close', () => {
      this.connections.delete(connection);
      this.listener?.closed(connection);
    });
    this.listener?.accepted(connection);
    return connection;
  }

  #secure(socket: TLSSocket): void {
    const connection = connectionBelow(socket);
    connection?.secured(socket);
    this.#newest = connection ?? null;
  }

  #begin(session: ServerHttp2Session): void {
    const connection = this.#newest;
    if (connection === null) return;
    connection.session = session;
    this.listener?.sessionBegan(connection, session);
  }

  /**
   * A server without a listener for `upgrade` handles such requests like any other (and destroys CONNECT requests
   * without a listener for `connect`). So the watch listens only while the program listens.
   */
  #followUpgrades(): void {
    const { server } = this;
    const listeners = new Map([
      ['upgrade', (request: IncomingMessage, stream: Duplex) => this.#upgrade(request, stream)],
      ['connect', (request: IncomingMessage) => this.#tunnel(request)],
    ]);
    for (const [event, listener] of listeners)
      if (server.listenerCount(event) > 0) server.prependListener(event, listener);
    server.on('newListener', (event: string, added: unknown) => {
      const listener = listeners.get(event);
      if (listener === undefined || added === listener || server.listeners(event).includes(listener)) return;
      server.prependListener(event, listener);
    });
    server.on('removeListener', (event: string) => {
      const listener = listeners.get(event);
      if (listener !== undefined && server.listenerCount(event) === 1) server.removeListener(event, listener);
    });
  }

  #upgrade(request: IncomingMessage, stream: Duplex): void {
    const connection = connectionOf(request.socket);
    if (connection === undefined) return;
    connection.upgraded = asksForWebSocket(request) ? new WebSocketConnection(stream) : 'unknown';
    this.listener?.upgraded(connection);
  }

  #tunnel({ socket }: IncomingMessage): void {
    const connection = connectionOf(socket);
    if (connection !== undefined) connection.upgraded = 'unknown';
  }

  /** Finds connections that were accepted before the watch began, as far as Node lists them. */
  #findOlder(): void {
    const { server } = this;
    const sessions = new Map(http2Sessions(server).map((session) => [socketOfSession(session), session]));
    const known = [...http1Sockets(server), ...sessions.keys()].filter((socket) => socket !== undefined);
    const secure = known.filter((socket): socket is TLSSocket => 'encrypted' in socket);
    const raw = new Set([
      ...acceptedSockets(server),
      ...secure.map(rawOf),
      ...known.filter((socket) => !('encrypted' in socket)),
    ]);
    for (const socket of raw) if (socket !== undefined && !socket.destroyed) this.#accept(socket);
    for (const socket of secure) connectionBelow(socket)?.secured(socket);
    for (const [socket, session] of sessions) {
      const connection = connectionOf(socket);
      if (connection !== undefined) connection.session = session;
    }
    this.#newest = null;
    if (this.connections.size > 0 && 'updateSettings' in server)
      server.prependListener('stream', (stream: ServerHttp2Stream) => this.#sessionOf(stream));
  }

  /** A session that Node does not list is found by its next stream. */
  #sessionOf(stream: ServerHttp2Stream): void {
    const session = stream.session as ServerHttp2Session | undefined;
    const connection = session && connectionOf(socketOfSession(session));
    if (connection === undefined || connection.session !== null) return;
    connection.session = session ?? null;
    if (session !== undefined) this.listener?.sessionBegan(connection, session);
  }
}

const watches = new WeakMap<Server, ServerWatch>();

/**
 * Begins to record the connections of a server, so that a later drain finds all of them. Call it before the server
 * listens: earlier connections are found only as far as Node lists them. Idempotent: returns the same watch for the
 * same server.
 */
export function watchServer(server: Server): ServerWatch {
  let watch = watches.get(server);
  if (watch === undefined) {
    watch = new ServerWatch(server);
    watches.set(server, watch);
  }
  return watch;
}
