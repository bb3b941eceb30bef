import type { Place } from '../handed/place.ts';

/** A listening or datagram socket of this process. */
export interface InspectedSocket {
  /** Null if this platform does not report it. */
  readonly type: 'stream' | 'datagram' | null;
  /** The address that it is bound to; null if this platform does not report it. */
  readonly place: Place | null;
}

/** A descriptor: the listening or datagram socket, or the reason why the descriptor is none. */
export type Inspected = { readonly socket: InspectedSocket } | { readonly problem: string };

/** The parts of the library for which plain Node has no portable implementation. */
export interface Platform {
  /** Sends one datagram to a Unix socket. Rejects with the reason why it was not sent. */
  sendDatagram(path: string, text: string): Promise<void>;
  /** Inspects a descriptor of this process. */
  inspect(fd: number): Inspected;
  /**
   * The arguments with which this process was executed, the program first; null if this platform does not report them.
   */
  commandLine(): readonly string[] | null;
  /** The control group of this process, which contains the name of its systemd unit; empty if there is none. */
  controlGroup(): string;
}
