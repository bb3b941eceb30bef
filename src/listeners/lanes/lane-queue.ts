import { endConnection } from '../../linux/end-connection.ts';
import { reactor, type Watch } from '../../linux/reactor.ts';
import { closeFd, shutdownSending } from '../../linux/sockets.ts';
import type { ConnectionState } from '../diagnosis/probe.ts';
import { isConnected } from '../diagnosis/probe-socket.ts';

/** A connection of zero's own that is, or may get, in the queue. */
interface OwnConnection {
  readonly look: () => ConnectionState;
  /** Retired: the queue owns the descriptor. */
  retired: boolean;
  /** The watch of a retired connection. Null where the kernel refused it. */
  watch: Watch | null;
}

/** Shared by all queues without such a connection, because there are thousands. Never changed. */
const NONE = new Map<number, OwnConnection>();

/** Maximum number of readings when connections come or are accepted meanwhile. */
const MAX_READINGS = 4;

/**
 * The accept queue of one lane. The kernel counts every connection in the queue, including zero's own: a probe that no
 * process has accepted stays in the queue after zero has closed it. So the queue keeps the client's end of such a
 * probe, closed for sending only. Through this end the kernel reports whether the probe is still in the queue
 * (UNIX_DIAG_PEER of a Unix socket). As long as the end is open, no client can get the port of the probe.
 */
export class LaneQueue {
  readonly #length: (socket: number) => number;
  readonly #socket: number;
  /** By the descriptor of the client's end. */
  #own: Map<number, OwnConnection> = NONE;
  /** A worker has or had the lane, or connections of clients go there. */
  served: boolean;

  /**
   * @param length reads how many connections the kernel has in the queue; shared by all queues
   * @param socket the argument of `length`: the descriptor or the inode of the lane's socket
   * @param served false for a lane of a dead supervisor until this one uses it
   */
  constructor(length: (socket: number) => number, socket: number, served = true) {
    this.#length = length;
    this.#socket = socket;
    this.served = served;
  }

  /**
   * The same as `clients` for a lane that is served. The queue of any other lane contains only test connections of the
   * dead supervisor. Its ends of them were closed with it, so they look like clients'. Throws SystemError.
   */
  waiting(): number {
    return this.served ? this.clients() : 0;
  }

  /** The number of clients' connections that wait to be accepted. Throws SystemError. */
  clients(): number {
    let length = this.#length(this.#socket);
    if (this.#own.size === 0) return length;
    let own = 0;
    // Two counts are consistent if nothing changed between them.
    for (let reading = 0; reading < MAX_READINGS; reading += 1) {
      const before = length;
      own = this.#countOwn();
      length = this.#length(this.#socket);
      if (length === before) break;
    }
    return Math.max(0, length - own);
  }

  /**
   * Excludes a connection of zero's own from the count. The caller owns `fd` until `retire`. The returned function
   * reads the connection's state. If it finds it accepted or gone, the queue does not read it again.
   */
  add(fd: number, look: () => ConnectionState): () => ConnectionState {
    const own: OwnConnection = { look, retired: false, watch: null };
    if (this.#own === NONE) this.#own = new Map();
    this.#own.set(fd, own);
    return () => {
      const state = look();
      const hasLeft = state === 'accepted' || state === 'gone';
      if (hasLeft && !own.retired && this.#own.get(fd) === own) this.#forget(fd);
      return state;
    };
  }

  /**
   * Ends a connection with FIN and takes over its descriptor. Closes the descriptor when the connection is out of the
   * queue and the service has closed its end, see endConnection().
   */
  retire(fd: number): void {
    const own = this.#own.get(fd);
    if (own === undefined || !isComing(fd, own)) {
      this.#release(fd);
      return;
    }
    own.retired = true;
    shutdownSending(fd);
    try {
      // A connection becomes readable when its other end was accepted and sent data, was closed, or was reset.
      own.watch = reactor.watch(fd, () => this.#release(fd));
    } catch {
      // Without a watch (ENOSPC, ENOMEM), the next count finds that it was accepted.
    }
  }

  /** Closes the retired connections. Call this before closing the lane. */
  close(): void {
    for (const [fd, own] of this.#own) {
      if (!own.retired) continue;
      own.watch?.close();
      // A connection that is still in the queue was not accepted and never will be, so there is nothing to wait for.
      if (isComing(fd, own)) closeFd(fd);
      else endConnection(fd);
    }
    this.#own = NONE;
  }

  #countOwn(): number {
    let queued = 0;
    for (const [fd, { look, retired }] of this.#own) {
      const state = look();
      if (state === 'queued') queued += 1;
      if (state === 'queued' || state === 'connecting') continue;
      if (retired) this.#release(fd);
      else this.#forget(fd);
    }
    return queued;
  }

  #release(fd: number): void {
    this.#own.get(fd)?.watch?.close();
    this.#forget(fd);
    endConnection(fd);
  }

  #forget(fd: number): void {
    this.#own.delete(fd);
    if (this.#own.size === 0) this.#own = NONE;
  }
}

/** Whether the handshake is complete at this end only: such a connection can still get into the queue. */
function isComing(fd: number, { look }: OwnConnection): boolean {
  try {
    const state = look();
    return state === 'queued' || (state === 'connecting' && isConnected(fd));
  } catch {
    // Unknown: the connection counts as a client's, so that no client is overlooked.
    return false;
  }
}
