import type { Server } from 'node:net';
import type { DrainReport } from './drain/report.ts';

export type { DrainReport };

/** What is looked for among the sockets that a manager handed over: by name where it has one, else by address. */
export interface Wanted {
  readonly name?: string;
  /** Left out: every address. */
  readonly host?: string;
  readonly port?: number;
  /** Of a Unix socket; a leading `@` or NUL is an abstract name. */
  readonly path?: string;
  /** `datagram` is looked for by `bind`, `stream` by `listen`. */
  readonly type: 'stream' | 'datagram';
}

/** A socket that a manager handed over, verified to be what was wanted. */
export interface Handed {
  readonly fd: number;
  /** As the manager calls it; null where it has no name. */
  readonly name: string | null;
  /** The convention, e.g. `systemd`. */
  readonly from: string;
}

/**
 * Looks in the environment for a socket that zero, systemd, Server::Starter or Einhorn handed over. Null where nobody handed one over for that
 * name or address. Throws where one is there and is no listening socket, or another address than the one wanted.
 */
export type FindHanded = (wanted: Wanted) => Handed | null;

/**
 * Tells all managers that apply that this process is ready. Who could not be told is named in a warning.
 * @param mainPid where another process is the service's main one from now on
 */
export type TellManagers = (mainPid?: number) => Promise<void>;

/** Tells them that an upgrade begins; `TellManagers` ends that, however it went. */
export type TellReloading = () => Promise<void>;

/** Who starts new versions of this service, and the command that makes it do so, e.g. `zero reload`; null where nobody does. */
export type SupervisedBy = () => { readonly manager: string; readonly command: string } | null;

/** What is noted about a server from the moment it listens, so that a drain knows every connection. */
export interface Watch {
  /** Resolves when a drain of this server is over. */
  readonly drained: Promise<DrainReport>;
}

/** Begins to watch a server that does not accept yet; of several calls for one server each returns the same. */
export type WatchServer = (server: Server) => Watch;
