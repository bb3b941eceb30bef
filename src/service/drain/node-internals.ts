/**
 * All undocumented properties of Node that the library uses. Each of them exists in Node 20, 22, 24 and 26 (the tests
 * run on all four). They are only read, so a Node version without one makes a drain less exact and breaks nothing.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, type Server, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

interface Parser {
  readonly socket: Socket;
  /** The newest request whose head was read; null after its response is finished. */
  readonly incoming: IncomingMessage | null;
}

function symbolValue(holder: object, description: string): unknown {
  const symbol = Object.getOwnPropertySymbols(holder).find((one) => one.description === description);
  return symbol === undefined ? undefined : (holder as Record<symbol, unknown>)[symbol];
}

interface ConnectionsList {
  all(): Parser[];
  idle(): Parser[];
}

/** The list that `closeIdleConnections()` and `closeAllConnections()` go through (lib/_http_server.js). */
const listOf = (server: Server): ConnectionsList | undefined =>
  symbolValue(server, 'http.server.connections') as ConnectionsList | undefined;

/** Sockets that speak HTTP/1.1 with this server; TLS sockets for https. */
export function http1Sockets(server: Server): Socket[] {
  return (
    listOf(server)
      ?.all()
      .map(({ socket }) => socket) ?? []
  );
}

/**
 * The sockets that have received no part of a request since the last complete one; null if this Node version does not
 * provide the list.
 */
export function socketsBetweenRequests(server: Server): Set<Socket> | null {
  const list = listOf(server);
  return list === undefined ? null : new Set(list.idle().map(({ socket }) => socket));
}

/**
 * Stops the timer that checks for slow requests, as http's own `close()` does. Otherwise the timer keeps the server in
 * memory.
 */
export function endRequestChecks(server: Server): void {
  clearInterval(symbolValue(server, 'http.server.connectionsCheckingInterval') as NodeJS.Timeout | undefined);
}

/**
 * HTTP/2 sessions of a server. Node keeps this list since version 24. In older versions only sessions that began during
 * a watch are known.
 */
export function http2Sessions(server: Server): ServerHttp2Session[] {
  return [...((symbolValue(server, 'sessions') as Iterable<ServerHttp2Session> | undefined) ?? [])];
}

/** The stream that a session reads and writes; `session.socket` is a proxy. */
export function socketOfSession(session: ServerHttp2Session): Socket | undefined {
  return symbolValue(session, 'socket') as Socket | undefined;
}

/** The open streams of a session by identifier; null if this Node version does not provide them. */
export function openStreams(session: ServerHttp2Session): ReadonlyMap<number, ServerHttp2Stream> | null {
  const state = symbolValue(session, 'state') as
    | { streams?: ReadonlyMap<number, ServerHttp2Stream> }
    | undefined;
  return state?.streams ?? null;
}

/** The open sockets that a server accepted, except those that were unref()ed. */
export function acceptedSockets(server: Server): Socket[] {
  const { _getActiveHandles: handles } = process as unknown as { _getActiveHandles?: () => unknown[] };
  return (handles?.call(process) ?? []).filter(
    (handle): handle is Socket =>
      handle instanceof Socket && (handle as { server?: unknown }).server === server,
  );
}

/** The connection below a TLS socket. */
export function rawOf(socket: TLSSocket): Socket | undefined {
  return (socket as unknown as { _parent?: Socket })._parent;
}

/** The response that is being written or waited for on this socket; null between requests. */
export function answerUnderWay(socket: Socket): ServerResponse | null {
  return (socket as unknown as { _httpMessage?: ServerResponse | null })._httpMessage ?? null;
}

/** The newest request on this socket whose response is not complete. */
export function newestRequest(socket: Socket): IncomingMessage | null {
  return (socket as unknown as { parser?: Parser | null }).parser?.incoming ?? null;
}

/** Whether Node's HTTP/1.1 parser reads this socket. */
export function isParsed(socket: Socket): boolean {
  return ((socket as unknown as { parser?: Parser | null }).parser ?? null) !== null;
}

/** A WebSocket of the `ws` library on this socket. */
export interface WsLibrarySocket {
  close(code: number, reason: string): void;
}

/** The library stores the WebSocket in the stream under its own symbol (ws, lib/websocket.js). */
export function wsLibrarySocket(stream: object): WsLibrarySocket | null {
  const found = symbolValue(stream, 'websocket') as Partial<WsLibrarySocket> | undefined;
  return typeof found?.close === 'function' ? (found as WsLibrarySocket) : null;
}

/**
 * Closes the listening socket of a server without notifying the server. The server counts as open, keeps its address,
 * and emits no `close`. Its own `close()` still works, because a handle can be closed twice (HandleWrap::Close,
 * src/handle_wrap.cc).
 */
export function closeListeningSocket(server: Server): void {
  const bound: AddressInfo | string | null = server.address();
  const address = () => (server.listening ? bound : null);
  (server as unknown as { _handle: { close(): void } | null })._handle?.close();
  Object.defineProperty(server, 'address', { value: address, configurable: true, writable: true });
}
