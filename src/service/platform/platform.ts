import type { Place } from '../handed/place.ts';

/** A listening or datagram socket of this process. */
export interface InspectedSocket {
  /** Null where this platform does not tell. */
  readonly type: 'stream' | 'datagram' | null;
  /** Where it is bound; null where this platform does not tell. */
  readonly place: Place | null;
}

/** A descriptor, as far as a listening or datagram socket is looked for: the socket, or why it is none. */
export type Inspected = { readonly socket: InspectedSocket } | { readonly problem: string };

/** The parts of the library that plain Node has no portable way for. */
export interface Platform {
  /** Sends one datagram to a Unix socket. Rejects with the reason why it was not sent. */
  sendDatagram(path: string, text: string): Promise<void>;
  /** Looks at a descriptor of this process. */
  inspect(fd: number): Inspected;
  /** The arguments with which this process was executed, the program first; null where this platform does not tell. */
  commandLine(): readonly string[] | null;
  /** The control group of this process, which names its systemd unit; empty where there is none. */
  controlGroup(): string;
}
