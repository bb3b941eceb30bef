import cluster from 'node:cluster';
import type { Server } from 'node:net';
import { constants } from 'node:os';
import { errorText } from '../../common/errors.ts';
import { finishConnections } from '../drain/drain.ts';
import { watchServer } from '../drain/watch.ts';
import type { Claim } from '../handed/claim.ts';
import { chooseHanded, widerProblem } from '../handed/find-handed.ts';
import type { Wanted } from '../seams.ts';
import { type Listen, type ListenCall, readListenCall, replaceListen } from './listen-arguments.ts';
import type { Limits } from './specification.ts';

/** Callbacks for the owner of this thread. */
export interface ServersOptions {
  readonly claims: readonly Claim[];
  /** The program listens on a passed socket, without its knowledge. */
  readonly onTaken: () => void;
  /** A server listens on the passed socket with this descriptor. The program or this module chose the socket. */
  readonly onListening: (fd: number) => void;
}

/** Node's own handle of a listening socket. The primary of a cluster removes it from its server. */
interface Handle {
  close(callback?: () => void): void;
}

/** A socket that was passed on. */
interface Socket {
  readonly claim: Claim;
  /** The current descriptor. Closing a server closes its descriptor, and a duplicate replaces it. */
  fd: number;
  /** Set while a server uses the socket. */
  handle: Handle | null;
}

/** The servers of this thread that listen on a passed socket without knowing it. */
export class Servers {
  readonly #options: ServersOptions;
  readonly #sockets: Set<Socket>;
  readonly #servers = new Set<Server>();
  #draining = false;

  constructor(options: ServersOptions) {
    this.#options = options;
    this.#sockets = new Set(options.claims.map((claim) => ({ claim, fd: claim.fd, handle: null })));
  }

  /** From now on a server that asks for the address of a passed socket gets that socket. */
  takePart(): void {
    replaceListen((server, args, listen) => this.#listen(server, args, listen));
  }

  /**
   * Finishes the connections of the servers. The program closes the servers. Resolves when no connection remains or the
   * time has expired.
   */
  async drain(limits: Limits): Promise<void> {
    this.#draining = true;
    await finishConnections([...this.#servers], limits);
  }

  /** For the servers of a cluster's primary: stops accepting connections for its workers. */
  stopDistributing(): void {
    for (const { handle } of this.#sockets) handle?.close();
  }

  #listen(server: Server, args: unknown[], original: Listen): Server {
    const call = readListenCall(args);
    // A program that passes a descriptor handles its socket itself.
    if (this.#options.claims.some(({ fd }) => fd === call.fd))
      this.#tellWhenListening(server, call.fd, () => server.listening);
    if (call.wanted === null) return original.apply(server, args);
    let found: Socket | null;
    try {
      found = this.#find(call.wanted);
    } catch (error) {
      process.nextTick(() => server.emit('error', named(error as Error, 'EADDRINUSE')));
      return server;
    }
    if (found === null) return original.apply(server, args);
    const wider = widerProblem({ ...found.claim, fd: found.fd }, call.wanted);
    if (wider !== null && hasClusterWorkers()) {
      // The primary listens for a worker and keeps the socket. The worker receives only the error number.
      process.emitWarning(wider.message, 'ZerodownWarning');
      process.nextTick(() => server.emit('error', refusal(wider)));
      return server;
    }
    this.#take(server, found, call, original);
    if (wider !== null) this.#refuseWhenKept(server, found, refusal(wider));
    return server;
  }

  /**
   * A program that looks for a free port listens on several local addresses in turn and closes each server at once. So
   * the server is refused only if it keeps the socket. No connection is accepted before that, because promises and
   * ticks run before the event loop polls its descriptors again.
   */
  #refuseWhenKept(server: Server, socket: Socket, error: Error): void {
    const { handle } = socket;
    if (handle === null) return;
    const refuse = () => {
      if (socket.handle !== handle) return;
      server.close();
      server.emit('error', error);
    };
    server.once('listening', () => queueMicrotask(() => process.nextTick(refuse)));
  }

  /** Two servers cannot share one address: for the second one Node reports EADDRINUSE as usual. */
  #find(wanted: Wanted): Socket | null {
    const free = [...this.#sockets].filter(({ handle }) => handle === null);
    const claims = free.map(({ claim, fd }) => ({ ...claim, fd }));
    const handed = chooseHanded(claims, wanted);
    return free.find(({ fd }) => fd === handed?.fd) ?? null;
  }

  #take(server: Server, socket: Socket, call: ListenCall, original: Listen): void {
    const { wanted, backlog, signal, callback } = call;
    watchServer(server);
    const rest = [backlog, callback].filter((argument) => argument !== undefined);
    original.call(server, { fd: socket.fd, ...(signal && { signal }) }, ...rest);
    const { _handle: handle } = server as { _handle?: Handle };
    if (handle === undefined) return;
    socket.handle = handle;
    this.#servers.add(server);
    server.once('close', () => this.#servers.delete(server));
    this.#keepWhenClosed(socket, handle);
    if (wanted?.path !== undefined) nameAddress(server, wanted.path);
    this.#options.onTaken();
    this.#tellWhenListening(server, socket.claim.fd, () => socket.handle === handle);
  }

  /** A program may close a server and listen on the address again, as programs that look for a free port do. */
  #keepWhenClosed(socket: Socket, handle: Handle): void {
    const { close } = handle;
    handle.close = (callback) => {
      handle.close = close;
      if (!this.#draining) this.#keep(socket);
      socket.handle = null;
      Reflect.apply(close, handle, callback === undefined ? [] : [callback]);
    };
  }

  #keep(socket: Socket): void {
    const { claim, fd } = socket;
    try {
      socket.fd = duplicate(fd);
    } catch (error) {
      this.#sockets.delete(socket);
      const why = errorText(error);
      const what = `the socket at ${claim.address} is closed with its server, and cannot be listened on again`;
      process.emitWarning(`${what}: ${why}`, 'ZerodownWarning');
    }
  }

  /** Waits for the next turn: a program that looks for a free port closes its server right after it listens. */
  #tellWhenListening(server: Server, fd: number | null, stillListens: () => boolean): void {
    if (fd === null) return;
    const tell = () => {
      if (stillListens()) this.#options.onListening(fd);
    };
    server.once('listening', () => setImmediate(tell));
  }
}

/**
 * An error of the form in which Node reports a failed bind(2). The primary of a cluster treats an error without a
 * number as success, and crashes when its worker exits (RoundRobinHandle, lib/internal/cluster/round_robin_handle.js).
 */
function named(error: Error, code: 'EADDRINUSE' | 'EADDRNOTAVAIL'): Error {
  return Object.assign(error, { code, errno: -constants.errno[code] });
}

/**
 * Not EADDRINUSE, because many programs then try the next port. Without a stack, because the reason would be cut off
 * before it.
 */
function refusal(error: Error): Error {
  error.stack = `${error.name}: ${error.message}`;
  return named(error, 'EADDRNOTAVAIL');
}

const hasClusterWorkers = (): boolean => Object.keys(cluster.workers ?? {}).length > 0;

/**
 * Node does not know the address of a Unix socket that was passed by its descriptor (Server.prototype.address,
 * lib/net.js).
 */
function nameAddress(server: Server, path: string): void {
  const address = () => (server.listening ? path : null);
  Object.defineProperty(server, 'address', { value: address, configurable: true, writable: true });
}

/**
 * Another descriptor of the same open socket, with close-on-exec set. Node has no dup(2), so this loads the FFI
 * package.
 * @throws Error if the descriptor cannot be duplicated: EMFILE, or the FFI package cannot be loaded here
 */
function duplicate(fd: number): number {
  if (process.platform !== 'linux') throw new Error('descriptors can be duplicated on Linux only');
  const { duplicateAbove }: typeof import('../../linux/sockets.ts') = require('../../linux/sockets.ts');
  // Above the descriptors of standard input, output and error.
  return duplicateAbove(fd, 3);
}
