import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { type Account, asAccount } from './privileges.ts';

/** A user without other tasks. RLIMIT_NPROC counts all tasks of a user (getrlimit(2)), and only this test has any. */
export function lonelyAccount(): Account {
  const uid = 2_000_000 + process.pid;
  return { name: String(uid), uid, gid: uid, groups: [uid] };
}

/** The tasks of a user: processes and their threads. */
export function countTasks({ uid }: Account): number {
  const threads = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      const status = read(`/proc/${pid}/status`);
      const isTheirs = new RegExp(`^Uid:\\t${uid}\\t`, 'm').test(status);
      return isTheirs ? Number(/^Threads:\t(\d+)$/m.exec(status)?.[1] ?? 0) : 0;
    });
  return threads.reduce((sum, count) => sum + count, 0);
}

/**
 * Sets the number of tasks at which this process of the user cannot create another one. prlimit(2) requires the same
 * user or CAP_SYS_RESOURCE, which root in a container often does not have.
 */
export function limitTasks(user: Account, pid: number, soft: number): void {
  const [program, ...args] = asAccount(user);
  execFileSync(program, [...args, 'prlimit', `--pid=${pid}`, `--nproc=${soft}:`]);
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
