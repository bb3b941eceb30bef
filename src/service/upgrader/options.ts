import type { Socket } from 'node:dgram';
import type { Server } from 'node:net';
import { MAX_TIMER } from '../../common/clock.ts';
import type { ProgramOptions } from './program.ts';

/** Options of one upgrade. */
export interface UpgradeOptions extends ProgramOptions {
  /** The new process must be ready within this time, in ms. Default: `upgradeTimeoutMs` of the upgrader. */
  readonly timeoutMs?: number;
  /**
   * Both processes serve this long, in ms, once the new one is ready; if the new one exits within this time, the
   * upgrade has failed and the old one continues. Default: `probationMs` of the upgrader.
   */
  readonly probationMs?: number;
  /**
   * Passed to the new process, which reads it as `upgrader.state`: any structured-cloneable value of up to 16 MiB. It
   * is copied when `upgrade` is called. Default: undefined.
   */
  readonly state?: unknown;
}

export interface UpgraderOptions {
  /**
   * The file with the pid of the process in charge. `ready()` writes it, and a new process when it takes over. The file
   * is replaced as a whole. Default: none.
   */
  readonly pidFile?: string;
  /** A new process must be ready within this time, in ms. Default 60,000. */
  readonly upgradeTimeoutMs?: number;
  /** Both processes serve this long, in ms, before the old one releases its sockets. Default 0. */
  readonly probationMs?: number;
}

/**
 * Where a server listens: `port`, and `host` unless on every address, or `path`. The other options apply to a new
 * socket.
 */
export interface ListenOptions {
  /** Default: every address, IPv4 and IPv6. */
  readonly host?: string;
  /** 0 is any free port; the next process gets the same one. */
  readonly port?: number;
  /** Of a Unix socket, or with a leading NUL an abstract name. A path that a dead process left is taken over. */
  readonly path?: string;
  /** How many connections wait to be accepted, as the kernel allows. Default: Node's 511. */
  readonly backlog?: number;
  /** Of `server.listen`: IPv6 only, not IPv4 as well. */
  readonly ipv6Only?: boolean;
  /** Of `server.listen`: the Unix socket is readable by all. */
  readonly readableAll?: boolean;
  /** Of `server.listen`: the Unix socket is writable by all. */
  readonly writableAll?: boolean;
  /** The name of the socket for the next process, or for a manager. Default: the address. */
  readonly name?: string;
  /**
   * Binds the server in the program's own way, if no socket was passed on. It is called instead of `server.listen`. The
   * server must listen when it returns or when its promise resolves.
   */
  readonly open?: (server: Server) => void | Promise<void>;
}

/** Where a datagram socket is bound. */
export interface BindOptions {
  /** Default: every address. */
  readonly host?: string;
  /** 0 is any free port. */
  readonly port: number;
  /** As for `listen`. */
  readonly name?: string;
  /** As for `listen`. */
  readonly open?: (socket: Socket) => void | Promise<void>;
}

type Kind = 'any' | 'string' | 'number' | 'function' | 'list of strings' | 'object' | 'boolean';

const KINDS: Readonly<Record<string, Kind>> = {
  pidFile: 'string',
  upgradeTimeoutMs: 'number',
  probationMs: 'number',
  timeoutMs: 'number',
  executable: 'string',
  args: 'list of strings',
  environment: 'object',
  directory: 'string',
  state: 'any',
  name: 'string',
  host: 'string',
  path: 'string',
  port: 'number',
  backlog: 'number',
  ipv6Only: 'boolean',
  readableAll: 'boolean',
  writableAll: 'boolean',
  open: 'function',
};

const UPGRADER = ['pidFile', 'upgradeTimeoutMs', 'probationMs'];
const UPGRADE = ['timeoutMs', 'probationMs', 'state', 'executable', 'args', 'environment', 'directory'];
const BIND = ['name', 'host', 'port', 'open'];
const LISTEN = [...BIND, 'path', 'backlog', 'ipv6Only', 'readableAll', 'writableAll'];

/** Throws a TypeError that names the option. Undefined counts as omitted. */
export const checkUpgraderOptions = (options: unknown): void => check('createUpgrader', UPGRADER, options);
export const checkUpgradeOptions = (options: unknown): void => check('upgrade', UPGRADE, options);

export function checkBindOptions(options: unknown): void {
  check('bind', BIND, options);
  if ((options as Partial<BindOptions>).port === undefined) throw new TypeError('bind: port is missing');
}

export function checkListenOptions(options: unknown): void {
  check('listen', LISTEN, options);
  const { port, path, host } = options as ListenOptions;
  if (path === undefined && port === undefined) throw new TypeError('listen: port or path is missing');
  if (path !== undefined && (port !== undefined || host !== undefined))
    throw new TypeError('listen: path cannot be combined with host and port');
  if (path === '') throw new TypeError('listen: path is empty');
}

function check(call: string, known: readonly string[], options: unknown): void {
  if (typeof options !== 'object' || options === null)
    throw new TypeError(`${call}: options are not an object`);
  for (const [key, value] of Object.entries(options)) {
    const kind = KINDS[key];
    if (kind === undefined || !known.includes(key))
      throw new TypeError(`${call}: unknown option ${key}; known options: ${known.join(', ')}`);
    if (value === undefined) continue;
    const wrong = complain(key, kind, value);
    if (wrong !== null) throw new TypeError(`${call}: ${key} ${wrong}`);
  }
}

function complain(key: string, kind: Kind, value: unknown): string | null {
  if (kind === 'any') return null;
  const shown = typeof value === 'string' ? JSON.stringify(value) : String(value);
  if (kind === 'number') {
    const most = key === 'port' ? 65_535 : MAX_TIMER;
    const isCount = typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most;
    return isCount ? null : `is ${shown}, not a whole number from 0 to ${most}`;
  }
  if (kind === 'list of strings') {
    const isList = Array.isArray(value) && value.every((one) => typeof one === 'string');
    return isList ? null : `is not a list of strings`;
  }
  if (typeof value !== kind || value === null) return `is ${shown}, not a ${kind}`;
  return value === '' && key !== 'host' ? 'is empty' : null;
}
