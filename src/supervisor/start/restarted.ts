import { processStat } from '../../linux/procfs.ts';

/** What the keeper tells a supervisor that it starts. */
export interface Restarted {
  /** How often it was started again without having run for long. */
  readonly tries: number;
  /** Of the instance, which the config may not name any more. */
  readonly runtimeDirectory: string;
}

const BY = 'ZERO_RESTARTED_BY';
const TRIES = 'ZERO_RESTART_TRIES';
const RUNTIME = 'ZERO_RUNTIME';

/** Reads and removes the variables that the keeper has set; null where something else started this process. */
export function takeRestarted(environment: NodeJS.ProcessEnv): Restarted | null {
  const { [BY]: by, [TRIES]: tries, [RUNTIME]: runtimeDirectory } = environment;
  for (const name of [BY, TRIES, RUNTIME]) delete environment[name];
  if (by === undefined || runtimeDirectory === undefined) return null;
  return { tries: Number.parseInt(tries ?? '', 10) || 0, runtimeDirectory };
}

/** An environment without these variables, which services do not get. */
export function withoutRestart(environment: readonly Buffer[]): Buffer[] {
  const names = [BY, TRIES, RUNTIME].map((name) => `${name}=`);
  return environment.filter((entry) => !names.some((name) => entry.toString('latin1').startsWith(name)));
}

/** Programs that start a service again, by the name of their process (proc_pid_comm(5)). */
const MANAGERS: readonly string[] = ['runsv', 's6-supervise', 'supervisord', 'dinit'];

/** Whether a service manager started this process and starts it again when it dies. */
export function isManaged(environment: NodeJS.ProcessEnv): boolean {
  const { SYSTEMD_EXEC_PID, NOTIFY_SOCKET } = environment;
  // INVOCATION_ID proves nothing: terminals inherit it.
  if (SYSTEMD_EXEC_PID === String(process.pid) || NOTIFY_SOCKET !== undefined) return true;
  return MANAGERS.includes(processStat(process.ppid)?.comm ?? '');
}
