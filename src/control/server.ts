import { existsSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import net, { type Socket } from 'node:net';
import { type Timers, unrefTimers } from '../common/clock.ts';
import { Connections, type Limits } from '../http/connections.ts';
import type { Follower } from '../http/follower.ts';
import { Refusals } from '../http/refusals.ts';
import { lookupGroup } from '../linux/users.ts';
import type { Control } from './control.ts';
import { type Farewells, handlersOf } from './handlers.ts';
import { memberPeer, refusedPeer } from './peer.ts';
import type { ErrorCode } from './protocol.ts';
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
const HEADER_LIMIT = 8 * 1024;

/**
 * Opens the control socket: HTTP with JSON bodies, one request per connection. Whatever a client sends or omits, it
 * receives an answer or loses its connection, and the supervisor keeps running.
 * @throws ControlError if the socket cannot be opened
 */
export async function createControlServer(options: ControlServerOptions): Promise<ControlServer> {
  const { path, control, views, identity, warn, limits = LIMITS, timers = unrefTimers } = options;
  const gid = groupOf(path, options.group);
  const permitted = { uid: process.geteuid?.() ?? 0, gid };
  const headers = answerHeaders(identity);
  const refuseRaw = (socket: Socket, code: ErrorCode, message: string) =>
    refuse(socket, code, message, headers);
  const connections = new Connections(limits, timers, refuseRaw);
  const farewells: Farewells = new Set();
  const followers = new Set<Follower>();
  const handlers = handlersOf({ control, views, farewells, followers, timers });
  const sockets = new Set<Socket>();

  // Peers without permission receive their answer after their request: a peer that is still writing would not read it.
  const refused = new WeakMap<Socket, string>();
  const refusals = new Refusals(warn);

  const onRequest = (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    // One request per connection: then closing a connection cannot lose a later request.
    response.setHeader('Connection', 'close');
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    response.once('finish', () => connections.answered(socket));
    const received = () => connections.working(socket);
    void answer(request, response, {
      handlers,
      identity,
      warn,
      received,
      refused: refused.get(socket) ?? null,
      member: () => memberPeer(socket, permitted),
      attempted: (member, what) =>
        refusals.report(
          `${member} ${what}`,
          `control socket ${path}: ${member} tried to ${what} and was refused`,
        ),
    });
  };
  let parser: Promise<Server> | null = null;

  // Nothing is read from a connection before the parser is loaded.
  const accept = (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    // A peer that closes its connection is not an error. Without a listener the error would end the process.
    socket.on('error', () => {});
    if (!connections.add(socket)) return;
    const refusal = refusedPeer(socket, permitted);
    if (refusal !== null) {
      refused.set(socket, refusal);
      refusals.report(refusal, `control socket ${path}: ${refusal} tried to connect and was refused`);
    }
    parser ??= makeParser(onRequest, refuseRaw);
    void parser.then((there) => {
      there.emit('connection', socket);
      socket.resume();
    });
  };
  const listen = () => listenOn(bindSocketFile(path, options.mode, gid), path, { accept, warn });
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
      for (const follower of followers) follower.leave(isUpgrade);
      const waiting = new Set<Socket | null>();
      for (const lines of farewells) waiting.add(lines.leave({ stopped: true }));
      // Written data is still sent, but a peer that does not read it does not keep the process alive.
      for (const socket of sockets) if (!waiting.has(socket)) socket.unref().destroySoon();
    },
  };
}

/** Rejects with ControlError. */
async function listenOn(
  file: SocketFile,
  path: string,
  { accept, warn }: { accept: (socket: Socket) => void; warn: (message: string) => void },
): Promise<{ close(): void }> {
  const server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, accept);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      file.remove();
      reject(new ControlError(path, error.message, error));
    });
    server.listen({ fd: file.fd }, resolve);
  });
  server.removeAllListeners('error');
  // After a failed accept (EMFILE) only this client's connection is lost.
  server.on('error', (error) => warn(`control socket ${path}: ${error.message}`));
  return {
    close() {
      file.remove();
      server.close();
    },
  };
}

/**
 * An HTTP server that only parses connections that were accepted for it. So it starts no timer of its own, which would
 * wake the supervisor twice a minute. Loaded on demand: it takes 0.2 MB, and a tenth of the supervisor's time until the
 * service runs.
 */
async function makeParser(
  onRequest: (request: IncomingMessage, response: ServerResponse) => void,
  refuseRaw: (socket: Socket, code: ErrorCode, message: string) => void,
): Promise<Server> {
  const { createServer } = await import('node:http');
  const answers = new WeakMap<object, ServerResponse>();
  const take = (request: IncomingMessage, response: ServerResponse) => {
    answers.set(request.socket, response);
    onRequest(request, response);
  };
  const parser = createServer({ maxHeaderSize: HEADER_LIMIT, requireHostHeader: false }, take);
  // Node's own response to an unknown Expect has no body.
  parser.on('checkExpectation', take);
  parser.maxRequestsPerSocket = 1;
  parser.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // A connection has one request, which is already answered or being answered.
    const begun = answers.get(socket);
    if (begun?.headersSent || begun?.req.complete) return;
    const code = error.code === 'HPE_HEADER_OVERFLOW' ? 'headers_too_large' : 'bad_request';
    refuseRaw(
      socket as Socket,
      code,
      code === 'bad_request'
        ? 'this is not an HTTP request'
        : `the headers are larger than ${HEADER_LIMIT} bytes`,
    );
  });
  return parser;
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
