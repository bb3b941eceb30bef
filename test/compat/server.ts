/** The protocol of the clients, see traffic.ts. */
export type ClientKind = 'http' | 'fastcgi' | 'dns' | 'syslog' | 'ssh' | 'pgbouncer' | 'websocket';

/** The source of a server: a package of Debian with its executable, one of test/compat/packages, or Node itself. */
export type Source =
  | { readonly debian: string; readonly program: string; readonly alternatives?: readonly string[] }
  | { readonly npm: string }
  | { readonly node: true };

/** One server of the table, with the config of its users. */
export interface CompatServer {
  /** The name in the table. Unique. */
  readonly title: string;
  readonly source: Source;
  /** Directory in examples/programs. The test copies it, and replaces 127.0.0.1:8080, /srv/example and /run/. */
  readonly example: string;
  /** Config file in that directory. Omitted: `zero init --listen ADDRESS -- COMMAND` writes the config. */
  readonly config?: string;
  /** For `zero init`: the command as a user types it, in the copied directory. */
  readonly command?: readonly string[];
  /** Files of the example under another name, as `[from, to]`: a variant of the same recipe. */
  readonly files?: readonly (readonly [string, string])[];
  /** Commands that a user runs once before the first start, such as a compiler, each without a shell. */
  readonly build?: readonly (readonly [string, ...string[]])[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Default: `http`. */
  readonly client?: ClientKind;
  /** Path of the requests. Default: `/`. */
  readonly path?: string;
  /** The number on short connections between two handovers. Default: 40. */
  readonly requests?: number;
  /** Default: `tcp`. `unix`: the address of the recipe is replaced by the path of a Unix socket. */
  readonly network?: 'tcp' | 'unix';
  /** The config gives the service a user or needs directories of the system. */
  readonly root?: boolean;
  /** It uses passed sockets only under systemd (sd_booted(3)), which the test imitates. */
  readonly booted?: boolean;
  /** Whether CI runs it as well. */
  readonly quick?: boolean;
  /** Concurrent keep-alive connections. Fewer than 8 if each occupies a process or a thread of the server. */
  readonly keptClients?: number;
  /** It closes idle connections when it stops, so keep-alive requests may fail in that way. Otherwise none may fail. */
  readonly closesIdle?: boolean;
  /** How it closes idle connections, if that is not the usual way of a server. */
  readonly keptNote?: string;
  /** The reason why its log may have lines that look like warnings. Without it there may be none. */
  readonly warnings?: string;
}

/** A server that cannot run unchanged under zero. */
export interface Unsupported {
  readonly title: string;
  readonly reason: string;
  readonly alternative: string;
}

/** Requests of one kind: the number sent, and the failures by name. */
export interface Counts {
  readonly sent: number;
  readonly failures: Readonly<Record<string, number>>;
  /** Failures of requests on a reused connection that the server closed before any response, in performance.now(). */
  readonly idleCloses: readonly number[];
}

/** From the signal that stops a generation until its last process has exited, in performance.now(). */
export interface Stop {
  readonly from: number;
  readonly to: number;
}

/** The result of a run of one server. */
export interface Outcome {
  readonly title: string;
  readonly version: string;
  /** Completed handovers. */
  readonly handovers: number;
  /** One request, message or session for each connection. */
  readonly short: Counts | null;
  /** Many on one connection; null if the protocol or the client does not support that. */
  readonly kept: Counts | null;
  /** How the server waits on the sockets of zero, such as `non-blocking, in 2 event loops`. */
  readonly sockets: readonly string[];
  /** Lines in the log of the server, and events of zero, that report a problem. */
  readonly warnings: readonly string[];
  /** Violated requirements; empty: passed. `missing` counts as a problem. */
  readonly problems: readonly string[];
}

/** The client, and the log of zero, can be this many milliseconds late. */
const STOP_MARGIN = 1000;

/** The idle closes at a time at which no generation stopped. */
export function closesWithoutStop({ idleCloses }: Counts, stops: readonly Stop[]): number[] {
  return idleCloses.filter(
    (at) => !stops.some(({ from, to }) => from - STOP_MARGIN <= at && at <= to + STOP_MARGIN),
  );
}

/** Sum of all failures. */
export function failed({ failures }: Counts): number {
  return Object.values(failures).reduce((sum, count) => sum + count, 0);
}
