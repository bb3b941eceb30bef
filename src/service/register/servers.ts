import type { Server } from 'node:net';
import { drain, watchServer } from '../drain/index.ts';
import type { Claim } from '../handed/claim.ts';
import { chooseHanded } from '../handed/find-handed.ts';
import type { Handed, Wanted } from '../seams.ts';
import { type ListenCall, readListenCall } from './listen-arguments.ts';
import { type Listen, replaceListen } from './replace-listen.ts';

/** What is told to whoever looks after this thread. */
export interface ServersOptions {
  readonly claims: readonly Claim[];
  /** The program takes a socket without knowing of it. */
  readonly onTaken: () => void;
  /** A server listens on this descriptor, whoever chose it. */
  readonly onListening: (fd: number) => void;
}

interface Taken {
  readonly fd: number;
  /** Node's own handle of the socket, which the primary of a cluster takes away from its server. */
  readonly handle: { close(): void } | undefined;
}

/** The servers of this thread that listen on a socket which was handed over, and do not know. */
export class Servers {
  readonly #options: ServersOptions;
  readonly #taken = new Map<Server, Taken>();

  constructor(options: ServersOptions) {
    this.#options = options;
  }

  /** From now on a server that wants the address of such a socket gets that socket. */
  takePart(): void {
    replaceListen((server, args, listen) => this.#listen(server, args, listen));
  }

  /** Finishes what they have. Resolves when no connection is left, or the time is over. */
  async drain(timeoutMs: number): Promise<void> {
    await drain([...this.#taken.keys()], { timeoutMs });
  }

  /** Where they are the servers of a cluster's primary: nothing more is accepted for its workers. */
  stopDistributing(): void {
    for (const [server, { handle }] of this.#taken) if (!server.listening) handle?.close();
  }

  #listen(server: Server, args: unknown[], original: Listen): Server {
    const call = readListenCall(args);
    // Whoever names a descriptor looks after it.
    if (this.#options.claims.some(({ fd }) => fd === call.fd)) this.#tellWhenListening(server, call.fd);
    if (call.wanted === null) return original.apply(server, args);
    let handed: Handed | null;
    try {
      handed = this.#find(call.wanted);
    } catch (error) {
      // As Node tells what bind(2) says.
      process.nextTick(() => server.emit('error', error));
      return server;
    }
    if (handed === null) return original.apply(server, args);
    this.#take(server, handed.fd, call, original);
    return server;
  }

  /** Two servers cannot have one address: to the second one Node says EADDRINUSE, as it always does. */
  #find(wanted: Wanted): Handed | null {
    const taken = new Set([...this.#taken.values()].map(({ fd }) => fd));
    const free = this.#options.claims.filter(({ fd }) => !taken.has(fd));
    return chooseHanded(free, wanted);
  }

  #take(
    server: Server,
    fd: number,
    { wanted, backlog, signal, callback }: ListenCall,
    original: Listen,
  ): void {
    watchServer(server);
    const rest = [backlog, callback].filter((argument) => argument !== undefined);
    original.call(server, { fd, ...(signal && { signal }) }, ...rest);
    const { _handle: handle } = server as { _handle?: { close(): void } };
    this.#taken.set(server, { fd, handle });
    server.once('close', () => this.#taken.delete(server));
    if (wanted?.path !== undefined) nameAddress(server, wanted.path);
    this.#options.onTaken();
    this.#tellWhenListening(server, fd);
  }

  #tellWhenListening(server: Server, fd: number | null): void {
    if (fd !== null) server.once('listening', () => this.#options.onListening(fd));
  }
}

/** Of a Unix socket that it was given by its descriptor Node knows no address (Server.prototype.address, lib/net.js). */
function nameAddress(server: Server, path: string): void {
  const address = () => (server.listening ? path : null);
  Object.defineProperty(server, 'address', { value: address, configurable: true, writable: true });
}
