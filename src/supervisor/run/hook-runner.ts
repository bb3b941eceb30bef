import { accessSync, constants, statSync } from 'node:fs';
import { reasonOf } from '../../common/errors.ts';
import type { Config } from '../../config/index.ts';
import type { ExitStatus, Failure } from '../../lifecycle/facts.ts';
import type { RunHook } from '../../lifecycle/hook.ts';
import type { ProcessIdentity } from '../../linux/procfs.ts';
import {
  type CommandSystem,
  findExecutable,
  killCommand,
  runCommand,
} from '../../workers/spawning/command.ts';
import { buildEnvironment, type Environment } from '../../workers/spawning/environment.ts';
import { ReleaseError } from '../../workers/spawning/release-error.ts';
import { SpawnError } from '../../workers/spawning/spawner.ts';
import type { Happening } from './engine.ts';

import { hookVariables } from './hook-variables.ts';

/** As many lines as a verdict shows. */
const REPORTED_LINES = 20;

/** The core has the deadlines and decides when zero kills a hook. */
const NO_TIMER = { after: () => () => {} };

export interface HookContext {
  readonly system: CommandSystem;
  /** The name of the instance. */
  readonly instance: string;
  /** zero's own environment, from its start. */
  readonly environment: readonly Buffer[];
  /** The directory where zero was started. Hooks run there. */
  readonly startDirectory: string;
  readonly post: (happening: Happening) => void;
  /** The variable that marks the process of a hook: name and value. */
  readonly mark: (hook: number) => readonly [string, string];
  /** Called when a hook was started, so that the caller records its process, which may outlive this supervisor. */
  readonly started: () => void;
}

interface Running {
  readonly process: ProcessIdentity;
  kill(): void;
}

/** Runs hooks as zero's own user, in the directory where zero was started. */
export class HookRunner {
  readonly #context: HookContext;
  readonly #running = new Map<number, Running>();

  constructor(context: HookContext) {
    this.#context = context;
  }

  /** @param config the config with the hook; undefined if the generation has ended meanwhile */
  run(hook: RunHook, config: Config | undefined): void {
    const command = config?.service.hooks[hook.name];
    const failed = (reason: string) => this.#ended(hook.hook, null, reason, []);
    if (!command) {
      setImmediate(() => failed('the generation of the hook has ended'));
      return;
    }
    const { system, instance, environment } = this.#context;
    const variables = [...hookVariables(hook, instance, new Date()), this.#context.mark(hook.hook)];
    const request = {
      run: command.run,
      directory: this.#context.startDirectory,
      environment: new Map([
        ...environmentOfHooks(environment),
        ...variables.map(([key, value]) => [key, Buffer.from(value)] as const),
      ]),
      user: null,
      timeout: 0,
    };
    try {
      const running = runCommand(request, system, NO_TIMER, ({ status, output }) =>
        this.#ended(hook.hook, status, null, output.slice(-REPORTED_LINES)),
      );
      const { pid, kill } = running;
      const startTime = system.kernel.processStat(pid)?.startTime ?? 0;
      this.#running.set(hook.hook, { process: { pid, startTime }, kill });
      this.#context.started();
    } catch (error) {
      if (!(error instanceof ReleaseError || error instanceof SpawnError)) throw error;
      setImmediate(() => failed(error.message));
    }
  }

  /**
   * Watches a hook that another supervisor started. Its end is reported with an unknown exit status. Returns false if
   * its process has exited, or its pid now belongs to another process.
   */
  adopt(hook: number, { pid, startTime }: ProcessIdentity): boolean {
    const { system } = this.#context;
    const kill = () => killCommand(system, pid);
    const ended = (status: ExitStatus) => {
      // No process of a hook may remain.
      kill();
      this.#ended(hook, status, null, []);
    };
    if (!system.table.adoptForeign(pid, startTime, ended)) return false;
    this.#running.set(hook, { process: { pid, startTime }, kill });
    return true;
  }

  /** Sends SIGKILL to the hook and its session. The end of the hook is still reported. */
  kill(hook: number): void {
    this.#running.get(hook)?.kill();
  }

  /** The processes of the running hooks, by the number of the hook. */
  processes(): Map<number, ProcessIdentity> {
    return new Map([...this.#running].map(([hook, { process }]) => [hook, process]));
  }

  #ended(
    hook: number,
    exit: Extract<Happening, { type: 'hook_finished' }>['exit'],
    reason: string | null,
    output: readonly string[],
  ): void {
    this.#running.delete(hook);
    this.#context.post({ type: 'hook_finished', hook, exit, reason, output });
  }
}

/** The first hook that cannot be started, checked before anything changes; null if all can be started. */
export function hookProblem(
  { service }: Config,
  base: readonly Buffer[],
  startDirectory: string,
): Failure | null {
  for (const [name, hook] of Object.entries(service.hooks)) {
    if (hook === undefined) continue;
    const reason = commandProblem(hook.run, environmentOfHooks(base), startDirectory);
    if (reason !== null) return { step: `hook.${name}`, reason };
  }
  return null;
}

/** zero's own environment. Each hook adds its variables. */
function environmentOfHooks(base: readonly Buffer[]): Environment {
  const runtime = { environment: [], inherit_environment: true };
  return buildEnvironment({ runtime, base, file: null, user: null });
}

function commandProblem(run: readonly string[], environment: Environment, directory: string): string | null {
  try {
    const executable = findExecutable({ run, environment, directory });
    accessSync(executable, constants.X_OK);
    return statSync(executable).isFile() ? null : `command ${run[0]}: it is not a file`;
  } catch (error) {
    return error instanceof ReleaseError ? error.message : `command ${run[0]}: ${reasonOf(error)}`;
  }
}
