import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import { type Timers, unrefTimers } from '../common/clock.ts';
import { errorText } from '../common/errors.ts';
import type { Limits } from '../http/connections.ts';
import { Followers } from '../http/follower.ts';
import { HttpServer, type Listening } from '../http/server.ts';
import { lookupGroup } from '../linux/users.ts';
import type { Control } from './control.ts';
import { type Farewells, handlersOf } from './handlers.ts';
import { memberPeer, refusedPeer } from './peer.ts';
import { refuse } from './raw-answer.ts';
import { answer } from './router.ts';
import { bindSocketFile, ControlError, type SocketFile } from './socket-file.ts';
import { answerHeaders, type Identity } from './version.ts';
import type { Views } from './views.ts';

export interface ControlServerOptions {
  readonly path: string;
  /** Permission bits of the socket. */
  readonly mode: number;
  /** The socket's group, by name or number, whose members may control zero as well; null for none. */
  readonly group: string | null;
  readonly control: Control;
  readonly views: Views;
  /** This supervisor, for the headers of each answer. */
  readonly identity: Identity;
  /** Logs one line. */
  readonly warn: (message: string) => void;
  readonly limits?: Limits;
  readonly timers?: Timers;
}

export interface ControlServer {
  /**
   * Binds the socket again after its file was removed. Open connections are kept. Rejects with ControlError; then
   * nothing has changed.
   */
  restore(): Promise<void>;
  /**
   * The last action of an exiting supervisor: accepts no more requests, removes the socket, and notifies the waiting
   * clients. Their connections stay open until the process exits, because they wait for that. Nothing here keeps the
   * process alive.
   * @param options `isUpgrade`: another zero takes over in this process
   */
  close(options?: { readonly isUpgrade: boolean }): Promise<void>;
}

const LIMITS: Limits = { connections: 64, patience: 10_000 };
/** Maximum number of followers. */
const MAX_FOLLOWERS = 32;

/**
 * Opens the control socket: HTTP with JSON bodies, one request per connection. Whatever a client sends or omits, it
 * receives an answer or loses its connection, and the supervisor keeps running.
 * @throws ControlError if the socket cannot be opened
 */
export async function createControlServer(options: ControlServerOptions): Promise<ControlServer> {
  const { path, control, views, identity, warn, limits = LIMITS, timers = unrefTimers } = options;
  const name = `control socket ${path}`;
  const gid = groupOf(path, options.group);
  const permitted = { uid: process.geteuid?.() ?? 0, gid };
  const headers = answerHeaders(identity);
  const farewells: Farewells = new Set();
  const followers = new Followers(MAX_FOLLOWERS, timers);
  const handlers = handlersOf({ control, views, farewells, followers });
  // Peers without permission receive their answer after their request: a peer that is still writing would not read it.
  const refused = new WeakMap<Socket, string>();

  const server = new HttpServer({
    name,
    limits,
    timers,
    warn,
    refuse: (socket, code, message) => refuse(socket, code, message, headers),
    onConnection(socket) {
      const refusal = refusedPeer(socket, permitted);
      if (refusal === null) return;
      refused.set(socket, refusal);
      server.refusals.report(refusal, `${name}: ${refusal} tried to connect and was refused`);
    },
    onRequest(request, response) {
      const { socket } = request;
      // One request per connection: then closing a connection cannot lose a later request.
      response.setHeader('Connection', 'close');
      for (const [header, value] of Object.entries(headers)) response.setHeader(header, value);
      response.once('finish', () => server.connections.answered(socket));
      void answer(request, response, {
        handlers,
        identity,
        warn,
        received: () => server.connections.working(socket),
        refused: refused.get(socket) ?? null,
        member: () => memberPeer(socket, permitted),
        attempted: (member, what) =>
          server.refusals.report(`${member} ${what}`, `${name}: ${member} tried to ${what} and was refused`),
      });
    },
  });
  const listen = () => listenOn(bindSocketFile(path, options.mode, gid), path, server);
  let listening = await listen();

  return {
    async restore() {
      if (existsSync(path)) return;
      const before = listening;
      listening = await listen();
      before.close();
    },
    async close({ isUpgrade } = { isUpgrade: false }) {
      listening.close();
      followers.leave(isUpgrade);
      const waiting = new Set<Socket | null>();
      for (const lines of farewells) waiting.add(lines.leave({ stopped: true }));
      server.closeConnections(waiting);
    },
  };
}

/** Rejects with ControlError. */
async function listenOn(file: SocketFile, path: string, server: HttpServer): Promise<Listening> {
  try {
    const listening = await server.listen(file.fd);
    return {
      close() {
        file.remove();
        listening.close();
      },
    };
  } catch (error) {
    file.remove();
    throw new ControlError(path, errorText(error), error);
  }
}

function groupOf(path: string, group: string | null): number | null {
  if (group === null) return null;
  const found = lookupGroup(group);
  if (found === null)
    throw new ControlError(
      path,
      `group ${group} does not exist. Set application.control.group to another one`,
    );
  return found.gid;
}
