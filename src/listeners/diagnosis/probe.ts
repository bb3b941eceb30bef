import type { Socket } from 'node:net';
import type { SocketAddress } from '../../linux/sockaddr.ts';
import { duplicateAbove, shutdownSending } from '../../linux/sockets.ts';

/**
 * `waiting`: not accepted yet. `gone`: no such connection exists (any more), and whether it was accepted is unknown.
 */
export type ProbeState = 'waiting' | 'accepted' | 'gone';

/**
 * The state in the kernel's terms. `connecting`: not in the accept queue yet, because the handshake is incomplete or
 * the queue is full. `queued`: in the accept queue.
 */
export type ConnectionState = 'connecting' | 'queued' | 'accepted' | 'gone';

/** A test connection to one lane of a listener. */
export interface Probe {
  readonly listener: string;
  readonly lane: number;
  /** The client's end, in this process. */
  readonly fd: number;
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  /**
   * Asks the kernel, which takes microseconds. The first call that finds the connection in the accept queue also sends
   * FIN: otherwise a service that serves one connection at a time would wait for a request that never comes.
   */
  accepted(): ProbeState;
  /**
   * The inode of the service's end, which shows the process that has accepted it. Null before that, and once the
   * service has closed it. Asks the kernel and sends nothing.
   */
  acceptedInode(): number | null;
  /** The same connection as a Node socket, on its own descriptor. Destroy it before or after `close`. */
  socket(): Promise<Socket>;
  /** Ends the connection with FIN, even if the service has sent data. Idempotent. */
  close(): void;
}

interface ProbeParts {
  readonly listener: string;
  readonly lane: number;
  readonly fd: number;
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
  readonly look: () => ConnectionState;
  /** The inode of the service's end; 0: no process has it. */
  readonly inode: () => number;
  /** Closes `fd`. Called once. */
  readonly close: () => void;
}

export function makeProbe({ listener, lane, fd, local, remote, look, inode, close }: ProbeParts): Probe {
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
      // An accepted probe stays accepted, whatever the service does with the connection later.
      if (state === 'accepted' || !open) return state ?? 'gone';
      const found = look();
      // Only after the handshake is complete: shutdown(2) would abort it (inet_shutdown, net/ipv4/af_inet.c).
      if (found === 'queued' && sending) {
        shutdownSending(fd);
        sending = false;
      }
      state = found === 'connecting' || found === 'queued' ? 'waiting' : found;
      return state;
    },
    acceptedInode: () => (open ? inode() || null : null),
    async socket() {
      // Loaded here, so that a service without this kind of gate does not pay for it.
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
