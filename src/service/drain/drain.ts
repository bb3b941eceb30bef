import type { Server } from 'node:net';
import { type DrainOptions, type DrainPlan, planOf, serversOf } from './options.ts';
import { type DrainReport, sumOf } from './report.ts';
import { ServerDrain } from './server-drain.ts';
import { watchServer } from './watch.ts';

const drains = new WeakMap<Server, ServerDrain>();

function drainOne(server: Server, plan: DrainPlan): Promise<DrainReport> {
  const watch = watchServer(server);
  let drain = drains.get(server);
  const usedAgain = drain?.ended === true && (server.listening || watch.connections.size > 0);
  if (drain === undefined || usedAgain) {
    drain = new ServerDrain(watch, plan);
    drains.set(server, drain);
  } else {
    drain.join(plan);
  }
  return drain.report;
}

/**
 * Ends a server, or several at once, without losing a request: the server accepts nothing more, asks clients to close
 * (`Connection: close` on every answer, GOAWAY, WebSocket close code 1012), waits for requests in progress and for one
 * more request on idle connections, closes those that get none, and cuts connections that are open at the deadline.
 * Works for servers of net, tls, http, https and http2, best for those for which `watchServer` was called before they
 * listened.
 *
 * Resolves to the report about the connections. Connections of a server that does not listen, or was closed already,
 * are drained as well. A second drain of a server joins the first one, and the earlier deadline counts. Rejects with a
 * TypeError for wrong options and for a value that is not a server.
 */
export async function drain(
  server: Server | readonly Server[],
  options: DrainOptions = {},
): Promise<DrainReport> {
  return drainAll(serversOf(server), planOf(options));
}

/**
 * Finishes the connections of servers that the program closes later itself. The servers accept no more connections, and
 * their connections end. The servers stay open until the program calls `close()`, which ends no idle connection while
 * the drain is in progress.
 */
export async function finishConnections(
  servers: readonly Server[],
  limits: { readonly timeoutMs: number; readonly idleMs: number },
): Promise<void> {
  await drainAll(servers, { ...limits, signal: null, closes: false });
}

async function drainAll(list: readonly Server[], plan: DrainPlan): Promise<DrainReport> {
  const servers = new Set(list);
  const reports = await Promise.all([...servers].map((one) => drainOne(one, plan)));
  return reports.length === 1 && reports[0] !== undefined ? reports[0] : sumOf(reports);
}
