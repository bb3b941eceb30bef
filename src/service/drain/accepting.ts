import { Server } from 'node:net';
import { closeListeningSocket } from './node-internals.ts';

/** No longer than this: new connections may come for as long as it is open. In ms. */
const LONGEST_EMPTYING = 1000;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Takes what waits in the accept queue, then closes the listening socket in this process. Connections that are still in the queue of a socket are reset
 * when its last holder closes it: one that nobody else holds has to be emptied first. Takes at most `timeoutMs`.
 * @param closes whether the server is closed too, so that it emits `close` when its last connection has ended
 */
export async function stopAccepting(server: Server, timeoutMs: number, closes: boolean): Promise<void> {
  if (!server.listening) return;
  let accepted = true;
  const note = (): void => {
    accepted = true;
  };
  server.on('connection', note);
  const end = performance.now() + Math.min(timeoutMs, LONGEST_EMPTYING);
  // To the check phase of the event loop; from one to the next there is a poll, which accepts one of those that wait.
  await turn();
  while (accepted && server.listening && performance.now() < end) {
    accepted = false;
    await turn();
  }
  server.removeListener('connection', note);
  // Not the server's own close(): that of http closes idle connections at once, and so races with their next request.
  if (!server.listening) return;
  if (closes) Server.prototype.close.call(server);
  else closeListeningSocket(server);
}

/**
 * While a server is drained, its own `close()` joins the drain instead of ending idle connections in its middle, and calls back, without an error, when the
 * drain is over; so does a framework's sweep of idle ones. Returns what ends this.
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
 * While a server is drained that its owner closes, its `close()` is that of net: it ends no idle connection, and
 * calls back when the last one has ended. Returns what ends this.
 */
export function withoutSweep(server: Server): () => void {
  return shadow(server, { close: Server.prototype.close });
}

/** Gives the server these methods, and no sweep of idle connections. Returns what takes them away again. */
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
