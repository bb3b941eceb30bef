/** The values in a systemd unit. Times in milliseconds. */
export interface UnitFacts {
  readonly name: string;
  /** The arguments that start zero, without further arguments. */
  readonly zero: readonly string[];
  /** Absolute path of the config. */
  readonly config: string;
  /** Null: no limit. */
  readonly stopTimeout: number | null;
  /** Time for the first generation to become ready, and for a reload. */
  readonly startTimeout: number;
  /** Whether the runtime directory is zero's default. */
  readonly ownRuntimeDirectory: boolean;
  readonly ownDataDirectory: boolean;
}

/**
 * A unit for the system's manager, systemd 249 or newer. Type=notify: zero sends READY=1 when the first generation
 * serves. KillMode=process: systemd ends only zero, which stops its service itself. If zero is killed, its service
 * keeps serving until zero is started again and takes the service over.
 */
export function unitText(facts: UnitFacts): string {
  const { name, zero, config, stopTimeout, startTimeout, ownRuntimeDirectory, ownDataDirectory } = facts;
  const command = [...zero, '--config', config].map(argument).join(' ');
  const reload = [...zero, 'reload', '--config', config].map(argument).join(' ');
  const runtime = ownRuntimeDirectory
    ? `# zero's own default directories. The state of a zero that was killed must survive until the next start.
RuntimeDirectory=zero/${specifier(name)}
RuntimeDirectoryPreserve=yes
`
    : '';
  const state = ownDataDirectory ? `StateDirectory=zero/${specifier(name)}\nStateDirectoryMode=0750\n` : '';
  return `# /etc/systemd/system/${name}.service
#   systemctl daemon-reload && systemctl enable --now ${name}
#   systemctl reload ${name}    waits for the verdict of the handover

[Unit]
Description=${specifier(name)}, under zero
After=network-online.target
Wants=network-online.target

[Service]
# systemd 253 and newer also have Type=notify-reload. Remove ExecReload= then. "systemctl reload" does not fail with it
# when a reload is rolled back.
Type=notify
ExecStart=${command}
ExecReload=${reload}
# For the first version to serve, and for a reload to end. zero extends both while a handover is in progress.
TimeoutStartSec=${seconds(startTimeout)}
# systemd ends only zero. zero stops its service itself, and a service whose zero was killed keeps serving.
KillMode=process
TimeoutStopSec=${stopTimeout === null ? 'infinity' : seconds(stopTimeout)}
# A zero that is started again continues with the service that it left behind.
Restart=on-failure
RestartSec=100ms
# Signals end Node while it starts. systemd takes these for a normal exit.
RestartForceExitStatus=SIGHUP SIGINT SIGTERM SIGPIPE
# The kernel killed a worker: zero starts it again.
OOMPolicy=continue
# systemd keeps the sockets, too, while zero is started again.
FileDescriptorStoreMax=1024
${runtime}${state}
# zero is root here to bind low ports and to change to runtime.user, which the service should have.
# Nothing of these is in the way of zero or of most services.
ProtectSystem=full
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes

[Install]
WantedBy=multi-user.target
`;
}

function seconds(milliseconds: number): string {
  return `${Math.ceil(milliseconds / 1000)}s`;
}

/** Percent signs begin specifiers (systemd.unit(5)). */
function specifier(text: string): string {
  return text.replaceAll('%', '%%');
}

/** One word of a command line, in which dollar signs begin variables (systemd.service(5)). */
function argument(text: string): string {
  const escaped = specifier(text).replaceAll('$', '$$$$');
  return /^[\w./@%$+=:,-]+$/.test(escaped) ? escaped : `"${escaped.replaceAll(/[\\"]/g, '\\$&')}"`;
}
