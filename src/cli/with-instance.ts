import { type ControlClient, controlClient } from '../control/client.ts';
import { ClientError } from '../control/client-error.ts';
import { CommandError } from './command-error.ts';
import { EXIT } from './exit-code.ts';
import {
  findInstance,
  type InstanceOptions,
  notRunning,
  type Surroundings,
  specifiedFile,
} from './find-instance.ts';
import { processTerminal, safe, type Terminal } from './render/style.ts';
import { version } from './version.ts';
import { type Clock, processClock } from './waiting.ts';

/** What a command has to do with besides its options. */
export interface CommandContext {
  readonly terminal: Terminal;
  readonly clock: Clock;
  /** Aborted by Ctrl-C. */
  readonly interrupted: AbortSignal;
  readonly surroundings?: Surroundings;
}

/** The command name's errors, the instance that is meant, and whether it may be guessed. */
export interface Target {
  readonly command: string;
  readonly instance: InstanceOptions;
  readonly guess: boolean;
  /**
   * Called with the config file that specifies the instance where that does not run. Resolves to the exit code; null
   * where nothing can be done without it.
   */
  readonly stopped?: (file: string) => Promise<number | null>;
}

export function processContext(): CommandContext {
  const controller = new AbortController();
  // Only the first: a second Ctrl-C ends a command that does not heed the first.
  process.once('SIGINT', () => controller.abort());
  return { terminal: processTerminal(), clock: processClock, interrupted: controller.signal };
}

/** Runs a command on the instance that is meant. Resolves to its exit code; what goes wrong is one message on stderr. */
export async function withInstance(
  target: Target,
  context: CommandContext,
  run: (client: ControlClient) => Promise<number>,
): Promise<number> {
  const { command, instance, stopped } = target;
  const { terminal, interrupted, surroundings } = context;
  try {
    return await runOn(target, context, run).catch(async (error: unknown) => {
      const isStopped = error instanceof CommandError && error.exitCode === EXIT.noInstance;
      const file = isStopped ? specifiedFile(instance, surroundings) : null;
      const code = file === null || stopped === undefined ? null : await stopped(file);
      if (code === null) throw error;
      return code;
    });
  } catch (error) {
    const tell = (message: string, exitCode: number) => {
      terminal.err(`zero ${command}: ${message}\n`);
      return exitCode;
    };
    if (error instanceof CommandError) return tell(safe(error.message), error.exitCode);
    if (interrupted.aborted) return tell('interrupted before zero answered', EXIT.failed);
    if (!(error instanceof ClientError)) throw error;
    // Part of the message comes from the supervisor, or from whatever listens there.
    return tell(safe(error.message), EXIT.failed);
  }
}

async function runOn(
  { instance, guess }: Target,
  { surroundings }: CommandContext,
  run: (client: ControlClient) => Promise<number>,
): Promise<number> {
  const found = await findInstance(instance, guess, surroundings);
  try {
    return await run(controlClient({ path: found.controlSocket, owner: found.uid, version }));
  } catch (error) {
    throw isNoInstance(error) ? notRunning(found) : error;
  }
}

function isNoInstance(error: unknown): boolean {
  return error instanceof ClientError && error.problem === 'no_instance';
}
