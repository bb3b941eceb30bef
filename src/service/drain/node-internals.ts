/**
 * What Node does not say in public, in one place: each of these is there in Node 20, 22, 24 and 26 (the tests run on all four), and each is only
 * read, so that a Node without it makes a drain less exact and breaks nothing.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, type Server, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

interface Parser {
  readonly socket: Socket;
  /** The newest request whose head was read; null when its answer is finished. */
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

/** Sockets that speak HTTP/1.1 with this server; on https they are TLS sockets. */
export function http1Sockets(server: Server): Socket[] {
  return (
    listOf(server)
      ?.all()
      .map(({ socket }) => socket) ?? []
  );
}

/** Those of them of which no part of a request was read since the last one was complete; null where this Node does not tell. */
export function socketsBetweenRequests(server: Server): Set<Socket> | null {
  const list = listOf(server);
  return list === undefined ? null : new Set(list.idle().map(({ socket }) => socket));
}

/** Ends the check for slow requests that http's own `close()` ends; it holds the server in memory otherwise. */
export function endRequestChecks(server: Server): void {
  clearInterval(symbolValue(server, 'http.server.connectionsCheckingInterval') as NodeJS.Timeout | undefined);
}

/** HTTP/2 sessions of a server. Node keeps this list from version 24 on; before, only sessions that began under a watch are known. */
export function http2Sessions(server: Server): ServerHttp2Session[] {
  return [...((symbolValue(server, 'sessions') as Iterable<ServerHttp2Session> | undefined) ?? [])];
}

/** What a session reads and writes; `session.socket` is a proxy. */
export function socketOfSession(session: ServerHttp2Session): Socket | undefined {
  return symbolValue(session, 'socket') as Socket | undefined;
}

/** The streams of a session that are not closed, by identifier; null where this Node does not tell. */
export function openStreams(session: ServerHttp2Session): ReadonlyMap<number, ServerHttp2Stream> | null {
  const state = symbolValue(session, 'state') as
    | { streams?: ReadonlyMap<number, ServerHttp2Stream> }
    | undefined;
  return state?.streams ?? null;
}

/** The sockets that a server accepted and that are still open; those that were unref()ed are missing. */
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

/** The answer that is written or waited for on this socket; null between requests. */
export function answerUnderWay(socket: Socket): ServerResponse | null {
  return (socket as unknown as { _httpMessage?: ServerResponse | null })._httpMessage ?? null;
}

/** The newest request on this socket that is not answered completely. */
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

/** The library keeps it there under a symbol of its own (ws, lib/websocket.js). */
export function wsLibrarySocket(stream: object): WsLibrarySocket | null {
  const found = symbolValue(stream, 'websocket') as Partial<WsLibrarySocket> | undefined;
  return typeof found?.close === 'function' ? (found as WsLibrarySocket) : null;
}

/**
 * Closes the listening socket of a server, which does not notice: it stays open for its owner, has the address that
 * it had, and emits no `close`. Its own `close()` works as ever, because a handle may be closed twice
 * (HandleWrap::Close, src/handle_wrap.cc).
 */
export function closeListeningSocket(server: Server): void {
  const bound: AddressInfo | string | null = server.address();
  const address = () => (server.listening ? bound : null);
  (server as unknown as { _handle: { close(): void } | null })._handle?.close();
  Object.defineProperty(server, 'address', { value: address, configurable: true, writable: true });
}
