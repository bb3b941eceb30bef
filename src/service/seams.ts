import type { Server } from 'node:net';
import type { DrainReport } from './drain/report.ts';

export type { DrainReport };

/** The description of the wanted socket: its name if it has one, otherwise its address. */
export interface Wanted {
  readonly name?: string;
  /** Default: every address. */
  readonly host?: string;
  readonly port?: number;
  /** Path of a Unix socket; a leading `@` or NUL is an abstract name. */
  readonly path?: string;
  /** `bind` asks for `datagram`, `listen` for `stream`. */
  readonly type: 'stream' | 'datagram';
}

/** A socket that a manager passed on, verified to match the wanted one. */
export interface Handed {
  readonly fd: number;
  /** The name that the manager gave it; null if it has none. */
  readonly name: string | null;
  /** The convention, e.g. `systemd`. */
  readonly from: string;
}

/**
 * Finds a socket that zero, systemd, Server::Starter or Einhorn passed on. Null if there is none with that name or
 * address. Throws if the socket is not a listening socket or has another address than the wanted one.
 */
export type FindHanded = (wanted: Wanted) => Handed | null;

/**
 * Reports to all managers that this process is ready. A manager that cannot be reached is named in a warning.
 * @param mainPid the service's new main process, if it is another process
 */
export type TellManagers = (mainPid?: number) => Promise<void>;

/** Reports to the managers that an upgrade begins. `TellManagers` ends this state after success and failure. */
export type TellReloading = () => Promise<void>;

/** The manager that starts new versions of this service, and its command, e.g. `zero reload`; null if there is none. */
export type SupervisedBy = () => { readonly manager: string; readonly command: string } | null;

/** Records the connections of a server from the moment it listens, so that a drain finds all of them. */
export interface Watch {
  /** Resolves when a drain of this server is over. */
  readonly drained: Promise<DrainReport>;
}

/** Begins to watch a server that does not accept yet. Idempotent: returns the same watch for the same server. */
export type WatchServer = (server: Server) => Watch;
