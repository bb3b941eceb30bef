/** What test and puppet say to each other: JSON lines on a Unix stream socket. The puppet's half is test/fixtures/puppet-commands.js. */

/** The puppet's first line: how it was started. */
export interface Announcement {
  readonly pid: number;
  readonly ppid: number;
  readonly sid: number;
  readonly generation: number;
  readonly worker: number;
  /** Descriptor number to what /proc/self/fd says. Exact from report.pl; puppet.js has Node's own among them. */
  readonly fds: Readonly<Record<string, string>>;
  /** /proc/self/environ and cmdline in base64: NUL-terminated strings of any bytes. */
  readonly environ: string;
  readonly argv: string;
  readonly cwd: string;
  readonly umask: number;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  /** By the names of /proc/self/limits (`Max open files`). Node raises the soft limit of open files; report.pl does not. */
  readonly limits: Readonly<Record<string, { readonly soft: string; readonly hard: string }>>;
  /** Bit masks in hex (proc_pid_status(5)). Node ignores SIGPIPE by itself; report.pl changes nothing. */
  readonly signals: { readonly ignored: string; readonly blocked: string };
}

/** Where a puppet listens: on a descriptor, on one of LISTEN_FDNAMES, or on an address of its own. */
export type Place =
  | { readonly fd: number }
  | { readonly name: string }
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

/** `report`: only tell the test. `default`: what the kernel does with it. All but `default` are reported as an event. */
export type Reaction = 'report' | 'drain' | 'exit' | 'default';

export interface Notification {
  /** Sent as this user; the puppet must be root. */
  readonly uid?: number;
  readonly through?: 'systemd-notify';
  /** Another socket than $NOTIFY_SOCKET. */
  readonly socket?: string;
}

export type Command =
  | { readonly do: 'listen'; readonly on: Place }
  | { readonly do: 'stop_listening' | 'answer' | 'book' | 'look' | 'drain' | 'daemonise' }
  | { readonly do: 'behave'; readonly hold?: boolean; readonly status?: number }
  | ({ readonly do: 'notify'; readonly message: string } & Notification)
  | { readonly do: 'write'; readonly fd: number; readonly data: string }
  | {
      readonly do: 'output';
      readonly stream: 'stdout' | 'stderr';
      readonly bytes: number;
      readonly fill: 'text' | 'binary';
    }
  | { readonly do: 'close'; readonly fd: number }
  | { readonly do: 'on_signal'; readonly signal: NodeJS.Signals; readonly reaction: Reaction }
  | { readonly do: 'exit'; readonly code: number }
  | { readonly do: 'die'; readonly signal: NodeJS.Signals }
  | { readonly do: 'hang'; readonly how: 'busy' | 'stopped' }
  | { readonly do: 'burn'; readonly cpu_ms: number }
  | { readonly do: 'fork'; readonly session: 'same' | 'new'; readonly stubborn: boolean }
  | { readonly do: 'successor'; readonly session: 'same' | 'new'; readonly pass: readonly number[] };

/** What a puppet says unasked. */
export type PuppetEvent =
  | { readonly event: 'signal'; readonly signal: NodeJS.Signals }
  | { readonly event: 'request'; readonly url: string };

export type Reply =
  | { readonly n: number; readonly ok: true; readonly result: unknown }
  | { readonly n: number; readonly ok: false; readonly error: string };

export type Message = PuppetEvent | Reply;
