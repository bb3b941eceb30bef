import type { Socket } from 'node:net';
import type { SocketAddress } from '../../linux/sockaddr.ts';
import { duplicateAbove, shutdownSending } from '../../linux/sockets.ts';

/** `waiting`: nobody has accepted it yet. `gone`: there is no such connection (any more), and nobody can be said to have accepted it. */
export type ProbeState = 'waiting' | 'accepted' | 'gone';

/**
 * The same in the kernel's terms. `connecting`: not in the accept queue yet, because the handshake is not complete or
 * the queue is full. `queued`: in the accept queue.
 */
export type ConnectionState = 'connecting' | 'queued' | 'accepted' | 'gone';

/** A connection of our own to one lane of a listener. */
export interface Probe {
  readonly listener: string;
  readonly lane: number;
  /** The client's end, of this process. */
  readonly fd: number;
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  /**
   * Asks the kernel; takes microseconds. The first time at which the connection is found in the accept queue also sends
   * FIN: a service that serves one connection after the other would otherwise wait for a request that never comes.
   */
  accepted(): ProbeState;
  /** The same connection as a Node socket, on a descriptor of its own; destroy it before or after `close`. */
  socket(): Promise<Socket>;
  /** Ends the connection with FIN, whatever the service has sent. Idempotent. */
  close(): void;
}

interface ProbeParts {
  readonly listener: string;
  readonly lane: number;
  readonly fd: number;
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly look: () => ConnectionState;
  /** Closes `fd`. Called once. */
  readonly close: () => void;
}

export function makeProbe({ listener, lane, fd, local, remote, look, close }: ProbeParts): Probe {
  let state: ProbeState | null = null;
  let open = true;
  let sending = true;
  return {
    listener,
    lane,
    fd,
    local,
    remote,
    accepted() {
      // What was accepted once stays so, whatever the service does with the connection then.
      if (state === 'accepted' || !open) return state ?? 'gone';
      const found = look();
      // Not before the handshake is complete: shutdown(2) would break it off (inet_shutdown, net/ipv4/af_inet.c).
      if (found === 'queued' && sending) {
        shutdownSending(fd);
        sending = false;
      }
      state = found === 'connecting' || found === 'queued' ? 'waiting' : found;
      return state;
    },
    async socket() {
      // Loaded here: a service without this kind of gate does not pay for it.
      const { Socket } = await import('node:net');
      if (!open) throw new Error('the probe is closed');
      return new Socket({ fd: duplicateAbove(fd, 3), readable: true, writable: true });
    },
    close() {
      if (!open) return;
      open = false;
      close();
    },
  };
}
