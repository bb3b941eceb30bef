import { Server } from 'node:net';
import { closeListeningSocket } from './node-internals.ts';

/** Limit for emptying the accept queue, in ms: new connections can arrive as long as the socket is open. */
const MAX_EMPTYING = 1000;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Accepts the connections in the accept queue, then closes the listening socket in this process. The kernel resets the
 * connections in a socket's queue when the last holder closes the socket, so the queue is emptied first if no other
 * process holds the socket. Takes at most `timeoutMs`.
 * @param closes whether the server is closed too, so that it emits `close` when its last connection has ended
 */
export async function stopAccepting(server: Server, timeoutMs: number, closes: boolean): Promise<void> {
  if (!server.listening) return;
  let accepted = true;
  const note = (): void => {
    accepted = true;
  };
  server.on('connection', note);
  const end = performance.now() + Math.min(timeoutMs, MAX_EMPTYING);
  // Waits for the check phase of the event loop. Between two check phases is one poll phase, which accepts a waiting
  // connection.
  await turn();
  while (accepted && server.listening && performance.now() < end) {
    accepted = false;
    await turn();
  }
  server.removeListener('connection', note);
  // Not the server's own close(): the close() of http ends idle connections at once, which races with their next
  // request.
  if (!server.listening) return;
  if (closes) Server.prototype.close.call(server);
  else closeListeningSocket(server);
}

/**
 * During the drain of a server, its own `close()` joins the drain: it ends no idle connection, and calls back without
 * an error when the drain has ended. `closeIdleConnections()`, which frameworks call, has no effect. Returns a function
 * that restores the methods.
 */
export function joinClose(server: Server, over: Promise<unknown>): () => void {
  return shadow(server, {
    close(callback?: () => void) {
      if (typeof callback === 'function') void over.then(() => callback());
      return server;
    },
  });
}

/**
 * During the drain of a server that its owner closes, `close()` is the method of net: it ends no idle connection and
 * calls back when the last connection has ended. Returns a function that restores the methods.
 */
export function withoutSweep(server: Server): () => void {
  return shadow(server, { close: Server.prototype.close });
}

/**
 * Replaces these methods of the server, and disables its sweep of idle connections. Returns a function that restores
 * them.
 */
function shadow(server: Server, methods: Readonly<Record<string, unknown>>): () => void {
  const shadows: Record<string, unknown> = { ...methods };
  if ('closeIdleConnections' in server) shadows.closeIdleConnections = () => undefined;
  const own = Object.keys(shadows).filter((name) => Object.hasOwn(server, name));
  const before = Object.fromEntries(own.map((name) => [name, Reflect.get(server, name)]));
  Object.assign(server, shadows);
  return () => {
    for (const name of Object.keys(shadows)) Reflect.deleteProperty(server, name);
    Object.assign(server, before);
  };
}
