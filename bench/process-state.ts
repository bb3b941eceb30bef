import { readdirSync, readFileSync } from 'node:fs';

/**
 * Memory that only this process uses and has written to, in thousands of the kernel's kB: Private_Dirty
 * (proc_pid_smaps(5)).
 */
export function privateDirty(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
  return numberAt(text, /^Private_Dirty:\s+(\d+) kB$/m) / 1000;
}

/** Voluntary and involuntary context switches of all threads of a process (proc_pid_status(5)). */
export function contextSwitches(pid: number): number {
  let sum = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const text = readFileSync(`/proc/${pid}/task/${thread}/status`, 'latin1');
    sum += numberAt(text, /^voluntary_ctxt_switches:\s+(\d+)$/m);
    sum += numberAt(text, /^nonvoluntary_ctxt_switches:\s+(\d+)$/m);
  }
  return sum;
}

/** Processor time of all running threads of a process in ms (/proc/PID/schedstat, in nanoseconds). */
export function processorTime(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, task) => {
    const [nanoseconds = '0'] = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1').split(' ');
    return sum + Number(nanoseconds) / 1e6;
  }, 0);
}

/** Processor time of all threads in ms, including ended ones, in steps of 10 ms (proc_pid_stat(5)). */
export function processorTimeInSteps(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
    .replace(/^.*\) /s, '')
    .split(' ');
  // utime and stime are the fields 14 and 15. The first field here is field 3.
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function numberAt(text: string, pattern: RegExp): number {
  const found = pattern.exec(text)?.[1];
  if (found === undefined) throw new Error(`no ${pattern} in:\n${text}`);
  return Number(found);
}
