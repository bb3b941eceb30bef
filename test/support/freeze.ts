import { readFileSync } from 'node:fs';

/** Stops a process where it is; resolves when nothing of it runs any more: state T of /proc/PID/stat (proc_pid_stat(5)). */
export async function freeze({ pid }: { readonly pid: number }): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  for (;;) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    if (stat.slice(stat.lastIndexOf(')') + 2).startsWith('T')) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
