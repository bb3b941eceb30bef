/**
 * The protocol between test and puppet: JSON lines on a Unix stream socket. The puppet's half is
 * test/fixtures/puppet-commands.js.
 */

/** The puppet's first line: its start parameters. */
export interface Announcement {
  readonly pid: number;
  readonly ppid: number;
  readonly sid: number;
  readonly generation: number;
  readonly worker: number;
  /**
   * Descriptor numbers with their targets in /proc/self/fd. Exact for report.pl; puppet.js also has Node's own
   * descriptors.
   */
  readonly fds: Readonly<Record<string, string>>;
  /** /proc/self/environ and cmdline in base64: NUL-terminated strings of any bytes. */
  readonly environ: string;
  readonly argv: string;
  readonly cwd: string;
  readonly umask: number;
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly number[];
  /**
   * By the names in /proc/self/limits (`Max open files`). Node raises the soft limit of open files; report.pl does not.
   */
  readonly limits: Readonly<Record<string, { readonly soft: string; readonly hard: string }>>;
  /** Bit masks in hex (proc_pid_status(5)). Node itself ignores SIGPIPE; report.pl changes nothing. */
  readonly signals: { readonly ignored: string; readonly blocked: string };
}

/** The address of a puppet: a descriptor, one of LISTEN_FDNAMES, or its own address. */
export type Place =
  | { readonly fd: number }
  | { readonly name: string }
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

/**
 * `report`: only notify the test. `default`: the kernel's default action. All but `default` are reported as an event.
 */
export type Reaction = 'report' | 'drain' | 'exit' | 'default';

export interface Notification {
  /** The user that sends the message. The puppet must be root. */
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

/** The unsolicited messages of a puppet. */
export type PuppetEvent =
  | { readonly event: 'signal'; readonly signal: NodeJS.Signals }
  | { readonly event: 'request'; readonly url: string };

export type Reply =
  | { readonly n: number; readonly ok: true; readonly result: unknown }
  | { readonly n: number; readonly ok: false; readonly error: string };

export type Message = PuppetEvent | Reply;
