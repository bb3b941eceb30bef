import { endConnection } from '../../linux/end-connection.ts';
import { reactor, type Watch } from '../../linux/reactor.ts';
import { closeFd, shutdownSending } from '../../linux/sockets.ts';
import type { ConnectionState } from '../diagnosis/probe.ts';
import { isConnected } from '../diagnosis/probe-socket.ts';

/** A connection of zero's own that is, or may come to be, in the queue. */
interface OwnConnection {
  readonly look: () => ConnectionState;
  /** Retired: the queue owns the descriptor. */
  retired: boolean;
  /** Of a retired one; null where the kernel refused the watch. */
  watch: Watch | null;
}

/** How often a reading is repeated when a connection came or was accepted meanwhile. */
const MAX_READINGS = 4;

/**
 * The accept queue of one lane. The kernel counts every connection in the queue, also zero's own: a probe that no
 * process has accepted stays in the queue after zero has closed it. So the queue keeps the client's end of such a
 * probe, closed for sending only. Through this end the kernel reports whether the probe is still in the queue
 * (UNIX_DIAG_PEER of a Unix socket), and as long as the end is open no client can get the port of the probe.
 */
export class LaneQueue {
  readonly #length: () => number;
  /** By the descriptor of the client's end. */
  readonly #own = new Map<number, OwnConnection>();

  /** @param length reads how many connections the kernel has in the queue */
  constructor(length: () => number) {
    this.#length = length;
  }

  /** The number of clients' connections that wait to be accepted. Throws SystemError. */
  clients(): number {
    let length = this.#length();
    if (this.#own.size === 0) return length;
    let own = 0;
    // Two counts that were taken one after the other belong together when nothing changed in between.
    for (let reading = 0; reading < MAX_READINGS; reading += 1) {
      const before = length;
      own = this.#countOwn();
      length = this.#length();
      if (length === before) break;
    }
    return Math.max(0, length - own);
  }

  /**
   * A connection of zero's own that is not counted from now on. The caller owns `fd` until `retire`. A look by the
   * function that is returned spares that one look.
   */
  add(fd: number, look: () => ConnectionState): () => ConnectionState {
    const own: OwnConnection = { look, retired: false, watch: null };
    this.#own.set(fd, own);
    return () => {
      const state = look();
      const hasLeft = state === 'accepted' || state === 'gone';
      if (hasLeft && !own.retired && this.#own.get(fd) === own) this.#own.delete(fd);
      return state;
    };
  }

  /**
   * Ends a connection with FIN and takes over its descriptor, which is closed when nothing of it is in the queue and
   * the service has closed its end, see endConnection().
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
      // A connection can be read when its other end was accepted and sent something, closed it, or was reset.
      own.watch = reactor.watch(fd, () => this.#release(fd));
    } catch {
      // Without a watch (ENOSPC, ENOMEM) the next count finds that it was accepted.
    }
  }

  /** Closes the retired connections. Call this before the lane is closed. */
  close(): void {
    for (const [fd, own] of this.#own) {
      if (!own.retired) continue;
      own.watch?.close();
      // What is still in the queue has not been accepted, and nobody will accept it: there is nothing to wait for.
      if (isComing(fd, own)) closeFd(fd);
      else endConnection(fd);
    }
    this.#own.clear();
  }

  #countOwn(): number {
    let queued = 0;
    for (const [fd, { look, retired }] of this.#own) {
      const state = look();
      if (state === 'queued') queued += 1;
      if (state === 'queued' || state === 'connecting') continue;
      if (retired) this.#release(fd);
      else this.#own.delete(fd);
    }
    return queued;
  }

  #release(fd: number): void {
    this.#own.get(fd)?.watch?.close();
    this.#own.delete(fd);
    endConnection(fd);
  }
}

/** A connection whose handshake is complete at this end only can still get into the queue. */
function isComing(fd: number, { look }: OwnConnection): boolean {
  try {
    const state = look();
    return state === 'queued' || (state === 'connecting' && isConnected(fd));
  } catch {
    // Not known: it counts as a client's, so that no client is overlooked.
    return false;
  }
}
