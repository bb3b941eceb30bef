import type { Kernel } from '../../linux/kernel.ts';
import type { ProcessIdentity } from '../../linux/procfs.ts';
import { type Delivery, joinDeliveries, NOBODY, signalOnce } from '../../workers/processes/delivery.ts';
import { killSessions } from '../../workers/processes/stopper.ts';
import type { RegisteredCommand } from '../../workers/spawning/command.ts';

/**
 * A variable of every command and hook. A supervisor may be killed before it has recorded the pid of a command. The
 * next supervisor then finds the process by this variable.
 */
const VARIABLE = 'ZERO_COMMAND';

/** The record of the commands. */
export interface CommandSituation {
  readonly running: readonly ProcessIdentity[];
  /** The number of the next command. Processes with this or a higher number are not recorded. */
  readonly next: number;
}

export interface RunningCommandsOptions {
  readonly kernel: Pick<Kernel, 'processStat'>;
  readonly runtimeDirectory: string;
  /** The number of the first command. */
  readonly next: number;
  /** Called when a command was started, so that the caller records it: the command may outlive this supervisor. */
  readonly recorded: () => void;
}

/**
 * The running processes of zero's own commands: gates, `verify`, `liveness`, hashes. They are recorded, so that another
 * supervisor can end the commands of a dead one, whose results are no longer needed.
 */
export class RunningCommands {
  readonly #options: RunningCommandsOptions;
  readonly #running = new Map<number, ProcessIdentity>();
  #next: number;

  constructor(options: RunningCommandsOptions) {
    this.#options = options;
    this.#next = options.next;
  }

  /** Registers a command before its start. */
  register(): RegisteredCommand {
    const { kernel, runtimeDirectory, recorded } = this.#options;
    const number = this.#next;
    return {
      mark: [VARIABLE, `${runtimeDirectory}:${number}`],
      started: (pid) => {
        this.#next = Math.max(this.#next, number + 1);
        this.#running.set(pid, { pid, startTime: kernel.processStat(pid)?.startTime ?? 0 });
        recorded();
      },
      ended: (pid) => void this.#running.delete(pid),
    };
  }

  situation(): CommandSituation {
    return { running: [...this.#running.values()], next: this.#next };
  }
}

/** The variable of a hook, by its number. */
export function markOfHook(runtimeDirectory: string, hook: number): readonly [string, string] {
  return [VARIABLE, `${runtimeDirectory}:hook.${hook}`];
}

/** The number of the command with this environment; null for another process. */
export function commandIn(environment: readonly Buffer[], runtimeDirectory: string): number | null {
  const text = markIn(environment, runtimeDirectory);
  return text !== null && /^[1-9]\d{0,14}$/.test(text) ? Number(text) : null;
}

/** The number of the hook with this environment; null for another process. */
export function hookIn(environment: readonly Buffer[], runtimeDirectory: string): number | null {
  const [, digits] = /^hook\.([1-9]\d{0,14})$/.exec(markIn(environment, runtimeDirectory) ?? '') ?? [];
  return digits === undefined ? null : Number(digits);
}

function markIn(environment: readonly Buffer[], runtimeDirectory: string): string | null {
  const before = `${VARIABLE}=${runtimeDirectory}:`;
  const entry = environment.map((one) => one.toString()).find((text) => text.startsWith(before));
  return entry?.slice(before.length) ?? null;
}

/**
 * Sends SIGKILL to a command of a dead supervisor and to its session, as the end of a command does. Sends nothing if
 * the pid now belongs to another process.
 */
export function endCommand(kernel: Kernel, { pid, startTime }: ProcessIdentity): Delivery {
  const isMeant = () => kernel.processStat(pid)?.startTime === startTime;
  if (!isMeant()) return NOBODY;
  const main = signalOnce(kernel, pid, 'SIGKILL', isMeant);
  const tried = [...main.signalled, ...main.refused.map((refusal) => refusal.pid)];
  return joinDeliveries([main, killSessions(kernel, [pid], new Set(tried))]);
}
