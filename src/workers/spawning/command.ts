import { findCommand } from '../../common/find-command.ts';
import type { ExitStatus } from '../../lifecycle/facts.ts';
import type { Kernel } from '../../linux/kernel.ts';
import { WorkerOutput } from '../output/output.ts';
import type { Refusal } from '../processes/delivery.ts';
import type { ProcessTable } from '../processes/process-table.ts';
import { killProcess } from '../processes/stopper.ts';
import type { Environment } from './environment.ts';
import type { Privileges } from './launcher.ts';
import { ReleaseError } from './release-error.ts';
import { spawn } from './spawner.ts';
import type { TargetUser } from './target-user.ts';

export interface CommandRequest {
  /**
   * Program and arguments. A name without a slash is searched in PATH of `environment`; a relative path starts at
   * `directory`.
   */
  readonly run: readonly string[];
  readonly directory: string;
  readonly environment: Environment;
  readonly user: TargetUser | null;
  /** Default: the privileges of the user. */
  readonly privileges?: Privileges;
  /** Milliseconds until it is killed with its session; 0 = never. */
  readonly timeout: number;
  /** A descriptor for its standard input, which stays open here. Default: /dev/null. */
  readonly input?: number;
}

export interface CommandSystem {
  readonly kernel: Kernel;
  readonly table: ProcessTable;
  /** Called if processes of a command could not be killed; never with an empty list. */
  readonly refused: (refusals: readonly Refusal[]) => void;
  /** Called before each command. Default: the commands are not registered. */
  readonly register?: () => RegisteredCommand;
}

export interface RegisteredCommand {
  /** A variable that is added to its environment: name and value. */
  readonly mark: readonly [string, string];
  started(pid: number): void;
  ended(pid: number): void;
}

export interface CommandTimer {
  /** Calls back once after `ms`; the result cancels it. */
  readonly after: (ms: number, callback: () => void) => () => void;
}

export interface CommandResult {
  readonly status: ExitStatus;
  readonly timedOut: boolean;
  /** The last lines of its output. */
  readonly output: readonly string[];
}

/**
 * Runs the command of a gate or hook with the spawner of the workers, and keeps only a tail of its output. `onDone` is
 * called once, never in the same turn. kill() ends the command with its session; close() does so, too, and prevents the
 * call of `onDone`. Throws ReleaseError or SpawnError if the command cannot be started.
 */
export function runCommand(
  request: CommandRequest,
  system: CommandSystem,
  { after }: CommandTimer,
  onDone: (result: CommandResult) => void,
): { readonly pid: number; kill(): void; close(): void } {
  const { kernel, table, register } = system;
  const executable = findExecutable(request);
  const { user, directory, privileges } = request;
  const registered = register?.();
  const environment = marked(request.environment, registered?.mark);
  const output = WorkerOutput.open(kernel, { stdout: null, stderr: null, owner: user });
  let pid: number;
  try {
    const { stdout, stderr } = output.childEnds;
    const args = request.run.slice(1);
    const input = request.input === undefined ? [] : ([[0, request.input]] as const);
    pid = spawn(
      kernel,
      {
        executable,
        args,
        environment,
        user,
        ...(privileges && { privileges }),
        limits: {},
        umask: undefined,
        listenPid: false,
      },
      { directory, descriptors: new Map([...input, [1, stdout], [2, stderr]]) },
    );
  } catch (error) {
    output.close();
    throw error;
  }
  output.closeChildEnds();
  let state: 'running' | 'timed out' | 'closed' | 'done' = 'running';
  const kill = () => killCommand(system, pid);
  const cancel =
    request.timeout === 0
      ? () => {}
      : after(request.timeout, () => {
          state = 'timed out';
          kill();
        });
  registered?.started(pid);
  table.adopt(pid, (status) => {
    cancel();
    registered?.ended(pid);
    // A command must leave no processes behind.
    kill();
    output.close();
    const timedOut = state === 'timed out';
    if (state === 'closed') return;
    state = 'done';
    onDone({ status, timedOut, output: output.lines() });
  });
  return {
    pid,
    // After the wait its pid may belong to another process.
    kill: () => {
      if (state !== 'done') kill();
    },
    close: () => {
      if (state !== 'running' && state !== 'timed out') return;
      state = 'closed';
      cancel();
      kill();
    },
  };
}

function marked(environment: Environment, mark: RegisteredCommand['mark'] | undefined): Environment {
  return mark === undefined ? environment : new Map([...environment, [mark[0], Buffer.from(mark[1])]]);
}

/** The program of a command. Throws ReleaseError if it does not exist. */
export function findExecutable({
  run,
  environment,
  directory,
}: Pick<CommandRequest, 'run' | 'environment' | 'directory'>): string {
  const [name = ''] = run;
  const found = findCommand(name, environment.get('PATH')?.toString() ?? '/usr/bin:/bin');
  if (found === null) throw new ReleaseError('path', `command ${name}: ENOENT: it was not found in PATH`);
  return found.startsWith('/') ? found : `${directory}/${found}`;
}

/** Sends SIGKILL to a command and its session. */
export function killCommand({ kernel, table, refused }: CommandSystem, pid: number): void {
  const delivery = killProcess(kernel, table, { pid, session: pid });
  if (delivery.refused.length > 0) refused(delivery.refused);
}
