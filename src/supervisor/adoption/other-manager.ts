import { readFileSync } from 'node:fs';
import { argumentsOf, processStat } from '../../linux/procfs.ts';
import { keeperSystem } from '../keeper/keeper-system.ts';
import { ancestorsOf } from './managed.ts';

/** What would start a service again that exits, and how to keep it from that. */
export interface OtherManager {
  /** `systemd unit app.service`, `pm2 (pid 12)`. */
  readonly name: string;
  /** When the command has to be run: before the first handover, or once it is over. */
  readonly when: 'before' | 'after';
  /** For a shell. */
  readonly command: string;
}

/** What is known of a process and of those from which it descends. */
export interface Origins {
  /** The lines of /proc/PID/cgroup. */
  readonly cgroup: readonly string[];
  /** With which it was started. */
  readonly environment: ReadonlyMap<string, string>;
  /** The parent, the parent's parent and so on. */
  readonly ancestors: readonly {
    readonly pid: number;
    readonly name: string;
    readonly args: readonly string[];
  }[];
}

/** Finds what manages a process; null where nothing is known to. */
export function otherManager(pid: number): OtherManager | null {
  const ancestors = ancestorsOf(pid).map((ancestor) => ({
    pid: ancestor,
    name: processStat(ancestor)?.comm ?? '',
    args: argumentsOf(ancestor),
  }));
  const own = cgroupOf(process.pid);
  // What this zero runs in, too, is the unit of a terminal or of a job, and not of the service.
  const cgroup = cgroupOf(pid).filter((line) => !own.includes(line));
  return managerIn({ cgroup, environment: environmentOf(pid), ancestors });
}

/** The nearest one: pm2 may run in a unit of systemd. Pure. */
export function managerIn({ cgroup, environment, ancestors }: Origins): OtherManager | null {
  for (const { pid, name, args } of ancestors) {
    const text = args.join(' ');
    if (/^PM2 v\S+: God Daemon/.test(text)) {
      const app = environment.get('name') ?? environment.get('pm_id') ?? 'NAME';
      return { name: `pm2 (pid ${pid})`, when: 'after', command: `pm2 delete ${app}` };
    }
    if (name === 'supervisord' || args.some((word) => /(^|\/)supervisord$/.test(word))) {
      const group = environment.get('SUPERVISOR_GROUP_NAME');
      const own = environment.get('SUPERVISOR_PROCESS_NAME') ?? 'NAME';
      const program = group === undefined || group === own ? own : `${group}:${own}`;
      return { name: `supervisord (pid ${pid})`, when: 'after', command: `supervisorctl stop ${program}` };
    }
    if (name === 'runsv' || name === 's6-supervise') {
      const folder = args.at(-1) ?? 'SERVICE';
      const command = name === 'runsv' ? `sv once ${folder}` : `s6-svc -O ${folder}`;
      return { name: `${name} (pid ${pid})`, when: 'before', command };
    }
  }
  return systemdUnit(cgroup);
}

/** The unit is the last part of the path of its control group (systemd.unit(5)); sessions and scopes restart nothing. */
function systemdUnit(cgroup: readonly string[]): OtherManager | null {
  const path = cgroup.map((line) => /^(?:0:|\d+:name=systemd):(.*)$/.exec(line)?.[1]).find((found) => found);
  const unit = path?.split('/').find((part) => part.endsWith('.service') && !part.startsWith('user@'));
  if (unit === undefined) return null;
  const isUser = path?.includes('/user@') ?? false;
  const systemctl = isUser ? 'systemctl --user' : 'systemctl';
  const folder = isUser ? '$XDG_RUNTIME_DIR/systemd/user' : '/run/systemd/system';
  const dropIn = `${folder}/${unit}.d`;
  return {
    name: `systemd unit ${unit}`,
    when: 'before',
    command: `mkdir -p ${dropIn} && printf '[Service]\\nRestart=no\\n' > ${dropIn}/zero.conf && ${systemctl} daemon-reload && ${systemctl} disable ${unit}`,
  };
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
