/** How the clients talk to a server; see traffic.ts. */
export type ClientKind = 'http' | 'fastcgi' | 'dns' | 'syslog' | 'ssh' | 'pgbouncer' | 'websocket';

/** Where a server comes from: a package of Debian with its executable, one of test/compat/packages, or Node itself. */
export type Source =
  | { readonly debian: string; readonly program: string; readonly alternatives?: readonly string[] }
  | { readonly npm: string }
  | { readonly node: true };

/** One server of the table, configured as its users configure it. */
export interface CompatServer {
  /** In the table; unique. */
  readonly title: string;
  readonly source: Source;
  /** Directory in examples/programs. The test copies it, and replaces 127.0.0.1:8080, /srv/example and /run/. */
  readonly example: string;
  /** Config file in that directory. Left out: `zero init --listen ADDRESS -- COMMAND` writes the config. */
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
  /** On short connections between two handovers. Default: 40. */
  readonly requests?: number;
  /** Default: `tcp`. `unix`: the address of the recipe is replaced by the path of a Unix socket. */
  readonly network?: 'tcp' | 'unix';
  /** The config gives the service a user or needs directories of the system. */
  readonly root?: boolean;
  /** It takes sockets only where systemd runs (sd_booted(3)): the test makes it appear so. */
  readonly booted?: boolean;
  /** Runs in CI as well. */
  readonly quick?: boolean;
  /** Keep-alive connections at a time. Fewer than 8 where each occupies a process or a thread of the server. */
  readonly keptClients?: number;
  /** It closes idle connections when it stops, so keep-alive requests may fail in that one way. Without it none may. */
  readonly closesIdle?: boolean;
  /** Why keep-alive requests fail in that way also while no generation stops. */
  readonly keptNote?: string;
  /** Why the log of the server may have lines that look like warnings. Without it there may be none. */
  readonly warnings?: string;
}

/** A server that cannot run under zero as it is. */
export interface Unsupported {
  readonly title: string;
  readonly reason: string;
  readonly alternative: string;
}

/** Requests of one kind: sent, and failed by the name of the failure. */
export interface Counts {
  readonly sent: number;
  readonly failures: Readonly<Record<string, number>>;
  /** Failures of requests on a reused connection that the server closed before it answered anything. */
  readonly idleCloses: number;
}

/** What a run of one server showed. */
export interface Outcome {
  readonly title: string;
  readonly version: string;
  /** Completed handovers. */
  readonly handovers: number;
  /** One request, message or session for each connection. */
  readonly short: Counts | null;
  /** Many on one connection; null where the protocol or the client has no such connections. */
  readonly kept: Counts | null;
  /** How the server waits on the sockets of zero, such as `non-blocking, in 2 event loops`. */
  readonly sockets: readonly string[];
  /** Lines in the log of the server, and events of zero, that report a problem. */
  readonly warnings: readonly string[];
  /** What was not as it has to be; empty: passed. `missing` counts as a problem. */
  readonly problems: readonly string[];
}

/** Sum of all failures. */
export function failed({ failures }: Counts): number {
  return Object.values(failures).reduce((sum, count) => sum + count, 0);
}
