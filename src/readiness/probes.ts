import type { Socket } from 'node:net';

/** A test connection to one worker's lane of a listener. */
export interface ListenerProbe {
  /** `gone`: no such connection exists any more, and whether it was accepted is unknown. */
  accepted(): 'waiting' | 'accepted' | 'gone';
  /** The same connection for sending and receiving. The caller destroys it, and closes the probe, too. */
  socket(): Promise<Socket>;
  close(): void;
}

/** Opens a connection to the worker's own lane of the named listener. Throws if that is currently impossible. */
export type OpenProbe = (listener: string) => ListenerProbe;

/** A probe's connection as a socket. Closing the socket closes the probe. Rejects if `open` throws. */
export async function probeSocket(open: OpenProbe, listener: string): Promise<Socket> {
  const probe = open(listener);
  try {
    const socket = await probe.socket();
    socket.once('close', () => probe.close());
    return socket;
  } catch (error) {
    probe.close();
    throw error;
  }
}
