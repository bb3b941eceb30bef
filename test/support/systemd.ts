import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { findProgram, type Skippable } from './debian.ts';
import { guardProcesses } from './guard.ts';
import { IS_ROOT } from './privileges.ts';
import { type Scope, temporaryFolder } from './temporary.ts';

const SYSTEMD = '/lib/systemd/systemd';
const CGROUPS = '/sys/fs/cgroup';

interface Output {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A real systemd as the manager of a user, with a directory for its units. */
export interface Systemd {
  /** Its $XDG_RUNTIME_DIR. */
  readonly runtime: string;
  /** The directory of units and their drop-ins. */
  readonly units: string;
  /** Runs `systemctl --user`. Never rejects. */
  systemctl(...args: readonly string[]): Promise<Output>;
  /** Runs a command line in a shell of the user. Never rejects. */
  run(commandLine: string): Promise<Output>;
  /** One property of a unit. */
  show(unit: string, property: string): Promise<string>;
}

/**
 * Starts a manager in its own cgroup, which is emptied at the end of the test. If that is not possible, the test is
 * skipped with a line, and the result is null.
 */
export async function startSystemd(scope: Scope & Skippable): Promise<Systemd | null> {
  const unshare = findProgram('unshare');
  const controller = cgroupHierarchy();
  if (!IS_ROOT || unshare === null || controller === null || !existsSync(SYSTEMD)) {
    scope.skip('needs root, cgroup2, unshare(1) and systemd');
    return null;
  }
  const guard = guardProcesses(scope);
  const folder = temporaryFolder(scope);
  const own = join(controller, `zero-test-${process.pid}`);
  // The cgroup of a user's manager on a machine that systemd has booted.
  const cgroup = join(own, `user@${process.geteuid?.()}.service`);
  const [runtime, units] = [join(folder, 'run'), join(folder, 'config/systemd/user')];
  for (const directory of [runtime, units]) mkdirSync(directory, { recursive: true, mode: 0o700 });
  try {
    mkdirSync(cgroup, { recursive: true });
  } catch (error) {
    // In most containers the hierarchy is read-only.
    scope.skip(`cannot make a cgroup: ${error instanceof Error ? error.message : String(error)}`);
    return null;
  }
  // In the hybrid layout systemd creates the same one in its own hierarchy of version 1.
  const twin = join(CGROUPS, 'systemd', basename(own));
  scope.after(() => {
    endProcesses(own);
    for (const path of [own, twin]) if (existsSync(path)) remove(path);
  });
  const environment = {
    PATH: process.env.PATH ?? '',
    HOME: folder,
    XDG_RUNTIME_DIR: runtime,
    XDG_CONFIG_HOME: join(folder, 'config'),
  };
  // A manager of a user starts only if systemd is process 1. It detects that by this directory (sd_booted(3)).
  const script = `mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && echo $$ >"$0/cgroup.procs" && exec ${SYSTEMD} --user`;
  const child = spawn(unshare, ['--mount', '--', 'sh', '-c', script, cgroup], {
    env: environment,
    stdio: 'ignore',
  });
  if (child.pid === undefined) throw new Error('systemd could not be started');
  guard.own(child.pid);
  const execute = (program: string, args: readonly string[]): Promise<Output> =>
    new Promise((resolve) => {
      execFile(program, args, { env: environment }, (error, stdout, stderr) =>
        resolve({ code: Number(error?.code ?? 0), stdout, stderr }),
      );
    });
  const systemctl = (...args: readonly string[]) => execute('systemctl', ['--user', ...args]);
  // The command itself waits for the manager once the socket exists.
  while (!existsSync(join(runtime, 'systemd/private'))) {
    if (child.exitCode !== null) {
      scope.skip(`systemd --user exited with ${child.exitCode}`);
      return null;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    runtime,
    units,
    systemctl,
    run: (commandLine) => execute('sh', ['-c', commandLine]),
    show: async (unit, property) =>
      (await systemctl('show', '--value', `--property=${property}`, unit)).stdout.trim(),
  };
}

/** The mount point of the unified hierarchy; null if there is none. */
function cgroupHierarchy(): string | null {
  return [CGROUPS, join(CGROUPS, 'unified')].find((path) => existsSync(join(path, 'cgroup.procs'))) ?? null;
}

/** Kills every process of the cgroup (cgroup.kill, since Linux 5.14). */
function endProcesses(cgroup: string): void {
  writeFileSync(join(cgroup, 'cgroup.kill'), '1');
  const populated = () => readFileSync(join(cgroup, 'cgroup.events'), 'utf8').includes('populated 1');
  for (const deadline = Date.now() + 5_000; populated() && Date.now() < deadline; );
}

/** Removes a cgroup without processes, and the cgroups in it. */
function remove(cgroup: string): void {
  for (const entry of readdirSync(cgroup, { withFileTypes: true }))
    if (entry.isDirectory()) remove(join(cgroup, entry.name));
  rmdirSync(cgroup);
}
