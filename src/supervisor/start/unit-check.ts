import { readFileSync } from 'node:fs';
import { after } from '../../common/clock.ts';
import type { Fact } from '../../lifecycle/facts.ts';
import { type CommandSystem, runCommand } from '../../workers/spawning/command.ts';

export interface UnitContext {
  readonly system: CommandSystem;
  /** The environment of zero. */
  readonly environment: NodeJS.ProcessEnv;
  readonly pid: number;
  /** proc_pid_cgroup(5) of zero. */
  readonly cgroups: () => string;
}

export interface Unit {
  readonly name: string;
  readonly manager: 'system' | 'user';
}

const TIMEOUT = 2_000;

/** The variables that systemctl needs to find the manager of a user. */
const VARIABLES = ['PATH', 'XDG_RUNTIME_DIR', 'DBUS_SESSION_BUS_ADDRESS'];

const PROPERTIES = ['KillMode', 'RuntimeDirectory', 'RuntimeDirectoryPreserve'];

/** With these modes systemd ends every process of the unit when the main process has exited (systemd.kill(5)). */
const ENDS_SERVICE = ['control-group', 'mixed'];

/** Reports the warning of unitWarning() about this process, if there is one. Never throws. */
export async function checkUnit(system: CommandSystem, report: (fact: Fact) => void): Promise<void> {
  const { env: environment, pid } = process;
  const cgroups = () => readFileSync('/proc/self/cgroup', 'utf8');
  const message = await unitWarning({ system, environment, pid, cgroups });
  if (message !== null) report({ event: 'warning', about: 'systemd', message });
}

/**
 * A warning with the lines to change, if the systemd unit of zero would end the service together with a killed
 * supervisor, or remove the state that the next supervisor continues from. null if the unit is correct or unreadable,
 * or if systemd did not start zero. Never rejects.
 */
export async function unitWarning(context: UnitContext): Promise<string | null> {
  const { environment, pid, cgroups } = context;
  // The variable alone proves nothing, because terminals and services inherit it (systemd.exec(5)).
  if (environment.SYSTEMD_EXEC_PID !== String(pid)) return null;
  try {
    const unit = unitOf(cgroups());
    return unit && warningOf(unit, await propertiesOf(unit, context));
  } catch {
    // No systemctl, or no access to the manager.
    return null;
  }
}

/** The unit of a process by its cgroup; null if the process is in none, or in a scope such as a terminal. */
export function unitOf(cgroups: string): Unit | null {
  const [, path = ''] = /^(?:\d+:name=systemd|0:):(.*)$/m.exec(cgroups) ?? [];
  const name = path
    .split('/')
    .filter((part) => /\.(service|scope)$/.test(part))
    .at(-1);
  if (!name?.endsWith('.service')) return null;
  return { name, manager: /\/user@\d+\.service\/./.test(path) ? 'user' : 'system' };
}

function propertiesOf(
  { name, manager }: Unit,
  { system, environment }: UnitContext,
): Promise<ReadonlyMap<string, string>> {
  const variables = VARIABLES.flatMap((variable) => {
    const value = environment[variable];
    return value === undefined ? [] : [[variable, Buffer.from(value)] as const];
  });
  const options = PROPERTIES.map((property) => `--property=${property}`);
  const run = ['systemctl', `--${manager}`, 'show', ...options, '--', name];
  const request = { run, directory: '/', environment: new Map(variables), user: null, timeout: TIMEOUT };
  return new Promise((resolve) => {
    runCommand(request, system, { after }, ({ output }) =>
      resolve(new Map(output.map((line) => [line.replace(/=.*/, ''), line.replace(/^[^=]*=/, '')]))),
    );
  });
}

function warningOf({ name, manager }: Unit, properties: ReadonlyMap<string, string>): string | null {
  const killMode = properties.get('KillMode') ?? '';
  const endsService = ENDS_SERVICE.includes(killMode);
  const losesState =
    (properties.get('RuntimeDirectory') ?? '') !== '' && properties.get('RuntimeDirectoryPreserve') === 'no';
  if (!endsService && !losesState) return null;
  const effect = endsService
    ? `systemd ends the service when zero is killed, because unit ${name} has KillMode=${killMode}`
    : `zero cannot continue after it is killed, because systemd removes the runtime directory of unit ${name}`;
  const lines = [
    ...(endsService ? ['KillMode=process'] : []),
    ...(losesState ? ['RuntimeDirectoryPreserve=yes'] : []),
  ];
  const reload = `systemctl ${manager === 'user' ? '--user ' : ''}daemon-reload`;
  return `${effect}. Set in its section [Service]: ${lines.join(', ')}. Then run: ${reload}`;
}
