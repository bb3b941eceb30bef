import { readFileSync } from 'node:fs';
import path from 'node:path';
import { homeDirectory } from '../../common/files.ts';
import { shellWord } from '../../common/text.ts';
import { argumentsOf, processStat } from '../../linux/procfs.ts';
import { keeperSystem } from '../keeper/keeper-system.ts';
import { ancestorsOf } from './managed.ts';

/** A program that would restart the service when it exits, and the command that prevents this. */
export interface OtherManager {
  /** `systemd unit app.service`, `pm2 (pid 12)`. */
  readonly name: string;
  /** When to run the command: before the first handover, or after it. */
  readonly when: 'before' | 'after';
  /** A command for a shell. */
  readonly command: string;
}

/** Facts about a process and its ancestors. */
export interface Origins {
  /** The lines of /proc/PID/cgroup. */
  readonly cgroup: readonly string[];
  /** The environment at its start. */
  readonly environment: ReadonlyMap<string, string>;
  /** The parent, the parent's parent and so on. */
  readonly ancestors: readonly Ancestor[];
  /** PM2_HOME of the user who runs zero. */
  readonly pm2Home: string;
}

interface Ancestor {
  readonly pid: number;
  readonly name: string;
  readonly args: readonly string[];
}

/** Finds the manager of a process; null if none is found. */
export function otherManager(pid: number): OtherManager | null {
  const ancestors = ancestorsOf(pid).map(ancestorAt);
  const own = cgroupOf(process.pid);
  // A control group that also contains this zero belongs to a terminal or a job, not to the service.
  const cgroup = cgroupOf(pid).filter((line) => !own.includes(line));
  return managerIn({ cgroup, environment: environmentOf(pid), ancestors, pm2Home: defaultPm2Home() });
}

/**
 * The manager that a process is (`pm2`, `systemd`); null for any other process. A manager is not a service, although it
 * may have the sockets of services: systemd those of socket units, supervisord those of an fcgi-program, pm2 those of
 * the cluster mode.
 */
export function managerAt(pid: number): string | null {
  const { name, args } = ancestorAt(pid);
  return name === 'systemd' ? name : kindOf({ name, args });
}

/** Finds the nearest manager, because pm2 may run in a unit of systemd. Pure. */
export function managerIn(origins: Origins): OtherManager | null {
  for (const { pid, name, args } of origins.ancestors) {
    const kind = kindOf({ name, args });
    if (kind !== null) return { name: `${kind} (pid ${pid})`, ...releaseBy(kind, origins, args) };
  }
  return systemdUnit(origins.cgroup);
}

type Kind = 'pm2' | 'supervisord' | 'runsv' | 's6-supervise';

/** The title of pm2's daemon. It contains PM2_HOME. */
const PM2_TITLE = /^PM2 v\S+: God Daemon(?: \((.*)\))?/;

function kindOf({ name, args }: Pick<Ancestor, 'name' | 'args'>): Kind | null {
  if (PM2_TITLE.test(args.join(' '))) return 'pm2';
  if (name === 'supervisord' || args.some((word) => /(^|\/)supervisord$/.test(word))) return 'supervisord';
  return name === 'runsv' || name === 's6-supervise' ? name : null;
}

function releaseBy(
  kind: Kind,
  { environment, pm2Home }: Origins,
  args: readonly string[],
): Pick<OtherManager, 'when' | 'command'> {
  if (kind === 'pm2') {
    const app = environment.get('name') ?? environment.get('pm_id') ?? 'NAME';
    const home = environment.get('PM2_HOME') ?? PM2_TITLE.exec(args.join(' '))?.[1];
    // Without PM2_HOME, pm2 would start a second daemon that does not manage the service.
    const before = home === undefined || home === pm2Home ? '' : `PM2_HOME=${shellWord(home)} `;
    return { when: 'after', command: `${before}pm2 delete ${shellWord(app)}` };
  }
  if (kind === 'supervisord') {
    const group = environment.get('SUPERVISOR_GROUP_NAME');
    const own = environment.get('SUPERVISOR_PROCESS_NAME') ?? 'NAME';
    const program = group === undefined || group === own ? own : `${group}:${own}`;
    return { when: 'after', command: `supervisorctl stop ${shellWord(program)}` };
  }
  const folder = shellWord(args.at(-1) ?? 'SERVICE');
  return { when: 'before', command: kind === 'runsv' ? `sv once ${folder}` : `s6-svc -O ${folder}` };
}

function defaultPm2Home(): string {
  return process.env.PM2_HOME ?? path.join(homeDirectory() ?? '/', '.pm2');
}

/**
 * The unit is the last part of the path of the control group (systemd.unit(5)). Sessions and scopes do not restart
 * processes.
 */
function systemdUnit(cgroup: readonly string[]): OtherManager | null {
  const path = cgroup.map((line) => /^(?:0:|\d+:name=systemd):(.*)$/.exec(line)?.[1]).find((found) => found);
  const unit = path?.split('/').find((part) => part.endsWith('.service') && !part.startsWith('user@'));
  if (unit === undefined) return null;
  const isUser = path?.includes('/user@') ?? false;
  const systemctl = isUser ? 'systemctl --user' : 'systemctl';
  const folder = isUser ? '$XDG_RUNTIME_DIR/systemd/user' : '/run/systemd/system';
  const dropIn = `${folder}/${shellWord(`${unit}.d`)}`;
  return {
    name: `systemd unit ${unit}`,
    when: 'before',
    command: `mkdir -p ${dropIn} && printf '[Service]\\nRestart=no\\n' > ${dropIn}/zero.conf && ${systemctl} daemon-reload && ${systemctl} disable ${shellWord(unit)}`,
  };
}

function ancestorAt(pid: number): Ancestor {
  return { pid, name: processStat(pid)?.comm ?? '', args: argumentsOf(pid) };
}

function cgroupOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'latin1').split('\n');
  } catch {
    return [];
  }
}

function environmentOf(pid: number): ReadonlyMap<string, string> {
  try {
    const entries = keeperSystem.kernel.environmentOf(pid).map((entry) => entry.toString().split('='));
    return new Map(entries.map(([name = '', ...value]) => [name, value.join('=')]));
  } catch {
    return new Map();
  }
}
