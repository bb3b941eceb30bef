import type { Socket } from 'node:net';

/** A connection of zero's own to one worker's lane of a listener. */
export interface ListenerProbe {
  /** `gone`: there is no such connection any more, and nobody can be said to have accepted it. */
  accepted(): 'waiting' | 'accepted' | 'gone';
  /** The same connection for talking. The caller destroys it, and closes the probe too. */
  socket(): Promise<Socket>;
  close(): void;
}

/** Opens a connection to the worker's own lane of a listener, by name. Throws where that is not possible now. */
export type OpenProbe = (listener: string) => ListenerProbe;

/** A probe's connection as a socket that closes the probe with itself. Rejects as `open` throws. */
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
