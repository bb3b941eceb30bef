import { readFileSync } from 'node:fs';

/** Stops a process. Resolves when it has stopped: state T of /proc/PID/stat (proc_pid_stat(5)). */
export async function freeze({ pid }: { readonly pid: number }): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  for (;;) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    if (stat.slice(stat.lastIndexOf(')') + 2).startsWith('T')) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
