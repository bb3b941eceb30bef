import type { Socket as DatagramSocket } from 'node:dgram';
import type { Server } from 'node:net';
import type { Handed, Wanted, Watch } from '../seams.ts';
import { askedOfDatagrams, assertDatagramSocket, bindAfresh, bindTo } from './binding.ts';
import { type Described, type Inherited, identify, type SocketPath } from './descriptor.ts';
import type { DescriptorTable, InUse } from './descriptor-table.ts';
import { descriptorOf, whenHandleCloses } from './handle.ts';
import { askedOf, assertServer, listenAfresh, listenOn } from './listening.ts';
import { type BindOptions, checkBindOptions, checkListenOptions, type ListenOptions } from './options.ts';
import type { Parts } from './parts.ts';
import { type Asked, askedText, boundText } from './socket-name.ts';
import { removePath } from './unix-path.ts';

/** The servers and datagram sockets of this process. */
export class Sockets {
  readonly #table: DescriptorTable;
  readonly #parts: Pick<Parts, 'findHanded' | 'watchServer'>;
  readonly #onClosed: () => void;
  readonly #watches = new Map<object, Watch>();
  readonly #opening = new Set<Promise<void>>();
  /** Paths of closed sockets, and of inherited sockets that were not used. */
  #paths: SocketPath[] = [];

  /** `onClosed`: a socket no longer accepts, and `removePaths` would remove its path. */
  constructor(
    table: DescriptorTable,
    parts: Pick<Parts, 'findHanded' | 'watchServer'>,
    onClosed: () => void,
  ) {
    this.#table = table;
    this.#parts = parts;
    this.#onClosed = onClosed;
  }

  /** `assertMayOpen` throws if the upgrader's stage does not allow a new socket. */
  listen(server: Server, options: ListenOptions, assertMayOpen: () => void): Promise<void> {
    return this.#open(async () => {
      checkListenOptions(options);
      assertServer(server);
      assertMayOpen();
      await this.#listen(server, options, askedOf(options));
    });
  }

  bind(socket: DatagramSocket, options: BindOptions, assertMayOpen: () => void): Promise<void> {
    return this.#open(async () => {
      checkBindOptions(options);
      assertDatagramSocket(socket);
      assertMayOpen();
      await this.#bind(socket, options, askedOfDatagrams(socket, options));
    });
  }

  /** Resolves when no socket is being opened. */
  async settled(): Promise<void> {
    await Promise.all(this.#opening);
  }

  /** All open servers and sockets. */
  get open(): readonly object[] {
    return this.#table.sockets.flatMap(({ owner }) => (owner === null ? [] : [owner]));
  }

  /** The watches of the open servers, whose drains will be reported. */
  get watches(): readonly Watch[] {
    return this.open.flatMap((owner) => this.#watches.get(owner) ?? []);
  }

  /** Closes inherited sockets that are not used. */
  closeUnused(): void {
    this.#paths.push(...this.#table.closeUnused());
  }

  /** Removes the paths of closed sockets: no other process needs them. */
  removePaths(): void {
    for (const path of this.#paths) removePath(path);
    this.#paths = [];
  }

  /** From now on another process owns the paths. */
  leavePaths(): void {
    this.#paths = [];
  }

  async #open(work: () => Promise<void>): Promise<void> {
    const opening = work();
    const settled = opening.catch(() => undefined);
    this.#opening.add(settled);
    try {
      await opening;
    } finally {
      this.#opening.delete(settled);
    }
  }

  async #listen(server: Server, options: ListenOptions, asked: Asked): Promise<void> {
    const { name, host, port, path } = options;
    this.#table.assertUnused(asked, name);
    const inherited = this.#table.take('listener', asked, name);
    const handed = inherited ?? this.#find({ name, host, port, path, type: 'stream' });
    this.#watches.set(server, this.#parts.watchServer(server));
    if (handed !== null) await listenOn(server, handed, options);
    const made = handed === null ? await listenAfresh(server, options).catch(this.#explain(port)) : null;
    const address = server.address();
    const bound = address !== null && typeof address === 'object' ? boundText('tcp', address) : null;
    const text = inherited?.asked ?? askedText(asked);
    const described = { name: name ?? text, kind: 'listener', asked: text, bound } as const;
    this.#adopt(server, { ...described, path: inherited?.path ?? made }, inherited);
  }

  async #bind(socket: DatagramSocket, options: BindOptions, asked: Asked): Promise<void> {
    const { name, host, port } = options;
    this.#table.assertUnused(asked, name);
    const inherited = this.#table.take('datagram', asked, name);
    const handed = inherited ?? this.#find({ name, host, port, type: 'datagram' });
    if (handed !== null) await bindTo(socket, handed);
    else await bindAfresh(socket, options).catch(this.#explain(port));
    const bound = asked.network === 'unix' ? null : boundText(asked.network, socket.address());
    const text = inherited?.asked ?? askedText(asked);
    this.#adopt(socket, { name: name ?? text, kind: 'datagram', asked: text, bound, path: null }, inherited);
  }

  #find(wanted: { [Key in keyof Wanted]: Wanted[Key] | undefined }): Handed | null {
    const given = Object.entries(wanted).filter(([, value]) => value !== undefined);
    return this.#parts.findHanded(Object.fromEntries(given) as unknown as Wanted);
  }

  /** Explains EADDRINUSE: the previous process passed on a socket with this port under another name. */
  #explain(port: number | undefined): (error: NodeJS.ErrnoException) => never {
    return (error) => {
      const holder = error.code === 'EADDRINUSE' && port !== undefined ? this.#table.holderOf(port) : null;
      if (holder !== null)
        error.message += `: the process before this one handed over that port as ${holder}`;
      throw error;
    };
  }

  #adopt(
    owner: Server | DatagramSocket,
    described: Omit<Described, 'identity'>,
    inherited: Inherited | null,
  ): void {
    const fd = descriptorOf(owner);
    // In a worker of node:cluster the socket belongs to the primary.
    if (fd === null) return;
    const used: InUse = { ...described, identity: identify(fd), fd: () => descriptorOf(owner), owner };
    this.#table.use(used, inherited !== null);
    whenHandleCloses(owner, () => {
      this.#table.release(used);
      if (used.path !== null) this.#paths.push(used.path);
      this.#onClosed();
    });
  }
}
