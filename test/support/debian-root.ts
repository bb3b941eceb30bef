import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { guardProcesses } from './guard.ts';
import { type Scope, temporaryFolder } from './temporary.ts';

/** The file system of this machine. Changes are kept in memory and are invisible outside. */
export interface DebianRoot {
  /** Prefix of a command that runs inside. */
  readonly command: [string, ...string[]];
  /** Runs a command until it exits. The output contains stdout and stderr. */
  run(...command: readonly string[]): Promise<{ readonly status: number | null; readonly output: string }>;
}

const OVERLAY = `
  mount -t tmpfs none "$0" && cd "$0" && mkdir upper work root &&
  mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work none root && cd root &&
  mount -t proc none proc && mount --rbind /dev dev && mount --rbind /sys sys && mount -t tmpfs none run &&
  mount --bind "$1" ".$1" && echo ready && exec cat`;

/** null: this machine cannot mount such a file system. `shared`: a directory that is the same inside. */
export async function debianRoot(scope: Scope, shared: string): Promise<DebianRoot | null> {
  const folder = temporaryFolder(scope);
  if (spawnSync('unshare', ['--mount', 'true']).status !== 0) return null;
  const holder = spawn('unshare', ['--mount', 'sh', '-c', OVERLAY, folder, shared], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  if (holder.pid !== undefined) guardProcesses(scope).own(holder.pid);
  const [line] = await Promise.race([
    once(createInterface({ input: holder.stdout }), 'line'),
    once(holder, 'exit').then(() => [null]),
  ]);
  if (line !== 'ready') return null;
  const command: [string, ...string[]] = [
    'nsenter',
    `--mount=/proc/${holder.pid}/ns/mnt`,
    'chroot',
    join(folder, 'root'),
  ];
  return {
    command,
    run(...more) {
      const [program, ...args] = [...command, ...more];
      return new Promise((resolve) => {
        const child = execFile(program ?? '', args, (_, stdout, stderr) =>
          resolve({ status: child.exitCode, output: `${stdout}${stderr}` }),
        );
      });
    },
  };
}

/** Builds the package for the architecture of this machine. Returns its file. */
export function buildPackage(script: string, out: string, ...options: readonly string[]): string {
  const args = [script, '--out', out, '--compression', 'none', ...options, process.arch];
  return execFileSync(process.execPath, args, { encoding: 'utf8' }).trim();
}
