import { processStat } from '../../linux/procfs.ts';

/** The keeper's data for a supervisor that it starts. */
export interface Restarted {
  /** Consecutive restarts after a short run. */
  readonly tries: number;
  /** The runtime directory of the instance, which the config may no longer name. */
  readonly runtimeDirectory: string;
}

const BY = 'ZERO_RESTARTED_BY';
const TRIES = 'ZERO_RESTART_TRIES';
const RUNTIME = 'ZERO_RUNTIME';

/** Reads and removes the variables that the keeper has set; null if another process started this one. */
export function takeRestarted(environment: NodeJS.ProcessEnv): Restarted | null {
  const { [BY]: by, [TRIES]: tries, [RUNTIME]: runtimeDirectory } = environment;
  for (const name of [BY, TRIES, RUNTIME]) delete environment[name];
  if (by === undefined || runtimeDirectory === undefined) return null;
  return { tries: Number.parseInt(tries ?? '', 10) || 0, runtimeDirectory };
}

/** An environment without these variables, which services do not receive. */
export function withoutRestart(environment: readonly Buffer[]): Buffer[] {
  const names = [BY, TRIES, RUNTIME].map((name) => `${name}=`);
  return environment.filter((entry) => !names.some((name) => entry.toString('latin1').startsWith(name)));
}

/** Programs that restart a service, by the name of their process (proc_pid_comm(5)). */
const MANAGERS: readonly string[] = ['runsv', 's6-supervise', 'supervisord', 'dinit'];

/** Whether a service manager started this process and restarts it when it dies. */
export function isManaged(environment: NodeJS.ProcessEnv): boolean {
  const { SYSTEMD_EXEC_PID, NOTIFY_SOCKET } = environment;
  // INVOCATION_ID proves nothing: terminals inherit it.
  if (SYSTEMD_EXEC_PID === String(process.pid) || NOTIFY_SOCKET !== undefined) return true;
  return MANAGERS.includes(processStat(process.ppid)?.comm ?? '');
}
