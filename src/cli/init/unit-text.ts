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
    ? `# The default directories of zero. If zero is killed, its state must survive until the next start.
RuntimeDirectory=zero/${specifier(name)}
RuntimeDirectoryPreserve=yes
`
    : '';
  const state = ownDataDirectory ? `StateDirectory=zero/${specifier(name)}\nStateDirectoryMode=0750\n` : '';
  return `# /etc/systemd/system/${name}.service
#   systemctl daemon-reload && systemctl enable --now ${name}
#   systemctl reload ${name}    reloads and waits for the result

[Unit]
Description=${specifier(name)}, under zero
After=network-online.target
Wants=network-online.target

[Service]
# systemd 253 and newer also have Type=notify-reload. With it, remove ExecReload=. Then "systemctl
# reload" succeeds although the reload was rolled back.
Type=notify
ExecStart=${command}
ExecReload=${reload}
# Limit for the first version to become ready, and for a reload. zero extends both while a handover is in progress.
TimeoutStartSec=${seconds(startTimeout)}
# systemd ends only zero. zero stops its service itself, and a service whose zero was killed keeps serving.
KillMode=process
TimeoutStopSec=${stopTimeout === null ? 'infinity' : seconds(stopTimeout)}
# After a restart zero takes over the running service.
Restart=on-failure
RestartSec=100ms
# A signal ends Node during its start. systemd would treat that as a normal exit.
RestartForceExitStatus=SIGHUP SIGINT SIGTERM SIGPIPE
# If the kernel kills a worker, zero restarts it.
OOMPolicy=continue
# systemd also holds the sockets while zero is restarted.
FileDescriptorStoreMax=1024
${runtime}${state}
# zero runs as root here to bind low ports and to change to runtime.user. Set runtime.user in the config.
# Only hardening options that rarely break services are set.
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
