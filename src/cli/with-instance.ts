import type { ControlClient } from '../control/client.ts';
import { ClientError } from '../control/client-error.ts';
import { InstanceError } from '../supervisor/instance/instance.ts';
import { leftBehindIn } from '../supervisor/instance/left-behind.ts';
import { commandErrorOf, type ErrorDocument, errorDocumentText } from './error-document.ts';
import { CommandError, EXIT } from './exit-code.ts';
import {
  findInstance,
  type InstanceOptions,
  notRunning,
  type Surroundings,
  specifiedFile,
} from './find-instance.ts';
import { clientOf } from './instances/client.ts';
import type { Instance } from './instances/record.ts';
import { processTerminal, safe, type Terminal } from './render/style.ts';
import { type Clock, processClock } from './waiting.ts';

/** The environment of a command besides its options. */
export interface CommandContext {
  readonly terminal: Terminal;
  readonly clock: Clock;
  /** Aborted by Ctrl-C. */
  readonly interrupted: AbortSignal;
  readonly surroundings?: Surroundings;
}

/** The command's name for its errors, the instance, and whether the instance may be guessed. */
export interface Target {
  readonly command: string;
  readonly instance: InstanceOptions;
  readonly guess: boolean;
  /** Whether errors are JSON documents, too. */
  readonly json?: boolean;
  /**
   * Reads the values of the options. Called before the instance is searched: a wrong value is a usage error, whether or
   * not the instance is running. Throws CommandError.
   */
  readonly check?: () => unknown;
  /**
   * Called if the instance is not running, with the config file that specifies it; null if something else specifies it.
   * Resolves to the exit code; null if the command needs a running instance.
   */
  readonly stopped?: (file: string | null) => Promise<number | null>;
  /** Called if no supervisor of the instance answers. Resolves as `stopped` does. */
  readonly dead?: (instance: Instance) => Promise<number | null>;
}

/** zero exited while a command waited for the result of a handover. */
export class LostHandover extends Error {
  readonly handover: number | null;

  /** @param reason why the current supervisor does not know the result; null: no supervisor runs */
  constructor(handover: number | null, reason: string | null = null) {
    super(
      reason === null
        ? 'zero exited before it reported the result. Check its log.'
        : `zero was started again and does not know the result: ${reason}`,
    );
    this.handover = handover;
  }
}

export function processContext(): CommandContext {
  const controller = new AbortController();
  // Only the first: a second Ctrl-C ends a command that does not respond to the first.
  process.once('SIGINT', () => controller.abort());
  return { terminal: processTerminal(), clock: processClock, interrupted: controller.signal };
}

/** Ctrl-C before zero has accepted a request. */
export const INTERRUPTED = 'interrupted before zero answered';

/**
 * Runs a command on the specified instance. Resolves to its exit code. A failure is one message on stderr, and with
 * `json` also one document on stdout.
 */
export async function withInstance(
  target: Target,
  context: CommandContext,
  run: (client: ControlClient, instance: Instance) => Promise<number>,
): Promise<number> {
  const { instance, stopped, check } = target;
  const { terminal, interrupted, surroundings } = context;
  try {
    check?.();
    return await runOn(target, context, run).catch(async (error: unknown) => {
      const isStopped = error instanceof CommandError && error.exitCode === EXIT.noInstance;
      const code =
        isStopped && stopped !== undefined ? await stopped(specifiedFile(instance, surroundings)) : null;
      if (code === null) throw error;
      return code;
    });
  } catch (error) {
    const { exitCode, ...failure } = failureOf(error, interrupted);
    tellError(target, failure, exitCode, terminal);
    return exitCode;
  }
}

async function runOn(
  { instance, guess, dead }: Target,
  { surroundings }: CommandContext,
  run: (client: ControlClient, instance: Instance) => Promise<number>,
): Promise<number> {
  const found = await findInstance(instance, guess, surroundings);
  try {
    return await run(clientOf(found), found);
  } catch (error) {
    if (!isNoInstance(error)) throw error;
    const code = (await dead?.(found)) ?? null;
    if (code === null) throw notRunning(found, await leftBehindIn(found));
    return code;
  }
}

function isNoInstance(error: unknown): boolean {
  return error instanceof ClientError && error.problem === 'no_instance';
}

/** Prints why a command failed. */
function tellError(
  { command, json = false }: Pick<Target, 'command' | 'json'>,
  error: ErrorDocument['error'],
  exitCode: number,
  { out, err }: Pick<Terminal, 'out' | 'err'>,
): void {
  if (json) out(errorDocumentText(error, exitCode));
  err(`zero ${command}: ${error.message}\n`);
}

/** The message and the exit code of an error. Rethrows an internal error of zero. */
function failureOf(
  error: unknown,
  interrupted: AbortSignal,
): ErrorDocument['error'] & { readonly exitCode: number } {
  if (error instanceof CommandError) {
    const { message, ...rest } = commandErrorOf(error);
    return { ...rest, message: safe(message), exitCode: error.exitCode };
  }
  if (error instanceof LostHandover) {
    const { message, handover } = error;
    return { code: 'gone', message, ...(handover !== null && { handover }), exitCode: EXIT.failed };
  }
  if (error instanceof InstanceError)
    return { code: 'failed', message: safe(error.message), exitCode: EXIT.failed };
  if (interrupted.aborted) return { code: 'interrupted', message: INTERRUPTED, exitCode: EXIT.failed };
  if (!(error instanceof ClientError)) throw error;
  const { problem, code, message } = error;
  // Part of the message comes from the supervisor, or from another program that listens there.
  return { code: code === null ? problem : safe(code), message: safe(message), exitCode: EXIT.failed };
}
