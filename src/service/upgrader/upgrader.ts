import type { Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Server } from 'node:net';
import { UpgradeError } from '../upgrade-error.ts';
import { PARTS, type Parts } from './parts.ts';

export interface UpgraderOptions {
  /** Written when this process serves, so that others find it. Default: none. */
  readonly pidFile?: string;
  /** The new process has to be ready within this time, in ms. Default 60,000. */
  readonly upgradeTimeoutMs?: number;
}

/** Where a server listens: an address (`host`, `port`), or a Unix socket (`path`). */
export interface ListenOptions {
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
  readonly backlog?: number;
}

export interface BindOptions {
  readonly host?: string;
  readonly port: number;
}

export type ExitReason = 'superseded' | 'stopped';

export interface Upgrader {
  /** Resolves when this process should finish what it has and leave. */
  readonly exit: Promise<ExitReason>;
  listen(server: Server, options: ListenOptions): Promise<void>;
  bind(socket: Socket, options: BindOptions): Promise<void>;
  ready(): Promise<void>;
  upgrade(): Promise<never>;
  stop(): void;
}

/** Rejects when an option is wrong. */
export async function createUpgrader(options: UpgraderOptions = {}): Promise<Upgrader> {
  return makeUpgrader(options, PARTS);
}

function makeUpgrader(_options: UpgraderOptions, parts: Parts): Upgrader {
  let resolveExit: (reason: ExitReason) => void;
  const exit = new Promise<ExitReason>((resolve) => {
    resolveExit = resolve;
  });
  return {
    exit,
    async listen(server, options) {
      const handed = parts.findHanded({ ...options, type: 'stream' });
      parts.watchServer(server);
      server.listen(handed === null ? options : { fd: handed.fd, backlog: options.backlog });
      await once(server, 'listening');
    },
    async bind(socket, { host, port }) {
      socket.bind({ port, ...(host !== undefined && { address: host }) });
      await once(socket, 'listening');
    },
    ready: () => parts.tellManagers(),
    async upgrade() {
      const supervised = parts.supervisedBy();
      if (supervised !== null)
        throw new UpgradeError(
          'SUPERVISED',
          `${supervised.manager} starts new versions here: ${supervised.command}`,
        );
      throw new UpgradeError('NOT_SUPPORTED', `a process cannot replace itself on ${process.platform}`);
    },
    stop: () => resolveExit('stopped'),
  };
}
