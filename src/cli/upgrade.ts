import { existsSync, readFileSync, readlinkSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { isStandalone } from '../common/own-program.ts';
import type { ControlClient } from '../control/client.ts';
import { ClientError } from '../control/client-error.ts';
import type { StatusDocument } from '../control/protocol.ts';
import { directoryAsGiven } from '../service/as-given.ts';
import { CommandError, EXIT } from './exit-code.ts';
import { here, type InstanceOptions } from './find-instance.ts';
import { timeoutOf } from './follow-handover.ts';
import { clientOf } from './instances/client.ts';
import { instancesIn } from './instances/find.ts';
import { Interruption } from './interruption.ts';
import { safe } from './render/style.ts';
import { showWaiting } from './waiting.ts';
import { type CommandContext, INTERRUPTED, processContext, withInstance } from './with-instance.ts';

export interface UpgradeOptions extends InstanceOptions {
  /** Upgrade every instance that runs the program at the path of this zero. */
  readonly all: boolean;
  /** The path of the new zero, as written. */
  readonly path?: string;
  /** As written. */
  readonly timeout?: string;
}

const TIMEOUT = 60_000;

/** Milliseconds for the new program to answer. */
const PATIENCE = 60_000;
const PAUSE = 100;

/**
 * `zero upgrade [PATH]`: replaces the program of a running zero by the installed one, and waits until the new program
 * answers. Resolves to the exit code.
 */
export function upgrade(
  { path: wanted, timeout, ...instance }: Omit<UpgradeOptions, 'all'>,
  context: CommandContext = processContext(),
): Promise<number> {
  const check = () => timeoutOf(timeout);
  return withInstance({ command: 'upgrade', instance, guess: true, check }, context, async (client) => {
    const result = await upgradeOne(client, { path: wanted, timeout }, context);
    context.terminal.out(`${result}\n`);
    return EXIT.done;
  });
}

/**
 * `zero upgrade --all`: upgrades every instance that was started by the path of this zero, one after the other. An
 * instance that cannot be upgraded is reported and keeps its program. Resolves to the exit code.
 */
export async function upgradeAll(
  { path: wanted, timeout, config, name }: UpgradeOptions,
  context: CommandContext = processContext(),
): Promise<number> {
  const { terminal, interrupted, surroundings } = context;
  if (config !== undefined || name !== undefined) {
    terminal.err('zero upgrade: --all cannot be combined with --config or --name\n');
    return EXIT.usage;
  }
  let code: number = EXIT.done;
  for (const instance of instancesIn((surroundings ?? here()).roots)) {
    const client = clientOf(instance);
    const status = await client.status(interrupted).catch(() => null);
    if (interrupted.aborted) {
      terminal.err('zero upgrade: interrupted\n');
      return EXIT.failed;
    }
    // Without an answer the program of an instance is unknown.
    if (status === null || !runsThisProgram(status.pid)) continue;
    try {
      terminal.out(`${safe(status.name)}: ${await upgradeOne(client, { path: wanted, timeout }, context)}\n`);
    } catch (error) {
      if (!(error instanceof CommandError || error instanceof ClientError)) throw error;
      terminal.err(`zero upgrade: ${safe(status.name)}: ${safe(error.message)}\n`);
      code = error instanceof CommandError ? error.exitCode : EXIT.failed;
    }
    if (interrupted.aborted) break;
  }
  return code;
}

/** Whether a process was started by the path of this program, which may now contain another file. */
function runsThisProgram(pid: number): boolean {
  try {
    // The kernel marks the link of a replaced file (proc_pid_exe(5)).
    const program = readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, '');
    if (isStandalone) return program === process.execPath;
    const own = realpathSync(process.argv[1] ?? '');
    const directory = readlinkSync(`/proc/${pid}/cwd`);
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return words
      .map((word) => path.resolve(directory, word))
      .some((file) => existsSync(file) && realpathSync(file) === own);
  } catch {
    // The process has exited, or belongs to another user.
    return false;
  }
}

/** Resolves to the result as a sentence. */
async function upgradeOne(
  client: ControlClient,
  { path: wanted, timeout }: { readonly path: string | undefined; readonly timeout: string | undefined },
  context: CommandContext,
): Promise<string> {
  const request = {
    ...(wanted !== undefined && { path: path.resolve(directoryAsGiven(), wanted) }),
    ...(!isStandalone && { node: process.execPath }),
    timeout_ms: timeoutOf(timeout) ?? TIMEOUT,
  };
  const interruption = new Interruption(context);
  try {
    const before = countsOf(await client.status(context.interrupted));
    const from = await start(client.upgrade(request, interruption.signal), interruption, context);
    const to = await newProgram(client, before, context);
    return `zero ${safe(from)} was replaced by zero ${safe(to)}; the service was not touched`;
  } catch (error) {
    if (error instanceof CommandError || !context.interrupted.aborted) throw error;
    throw interruption.isAccepted
      ? new CommandError(EXIT.inProgress, 'the upgrade is still in progress. See "zero status"')
      : new CommandError(EXIT.failed, INTERRUPTED);
  } finally {
    interruption.end();
  }
}

/** Requests the upgrade. Resolves to the release of the old program after the new one has passed its dry run. */
async function start(
  lines: ReturnType<ControlClient['upgrade']>,
  interruption: Interruption,
  { terminal, clock }: CommandContext,
): Promise<string> {
  const waiting = showWaiting(terminal, clock);
  let from = '';
  try {
    for await (const line of lines) {
      if ('accepted' in line) {
        from = line.accepted.zero;
        interruption.accepted();
      } else if ('fact' in line) waiting.tell(line.fact);
      else if ('refused' in line) throw new CommandError(EXIT.failed, line.refused.message);
      else return from;
    }
  } finally {
    waiting.end();
  }
  throw new ClientError('gone', 'zero exited before it answered. Check its log.');
}

/** How often another supervisor has continued the service. */
interface Counts {
  readonly upgrades: number;
  readonly restarts: number;
}

function countsOf({ supervisor }: StatusDocument): Counts {
  const { upgrades = 0, restarts = 0 } = supervisor ?? {};
  return { upgrades, restarts };
}

/** Retries until the new program answers. Resolves to its release. */
async function newProgram(
  client: ControlClient,
  before: Counts,
  { clock, interrupted }: CommandContext,
): Promise<string> {
  const deadline = clock.now() + PATIENCE;
  for (;;) {
    const status = await client.status(interrupted).catch((error: unknown) => {
      if (interrupted.aborted || !(error instanceof ClientError)) throw error;
      return null;
    });
    const { upgrades, restarts } = status === null ? before : countsOf(status);
    if (status !== null && upgrades > before.upgrades) return status.zero;
    if (status !== null && restarts > before.restarts)
      throw new CommandError(
        EXIT.failed,
        `zero was killed during the upgrade, and zero ${status.zero} was started in its place. Check the log of zero.`,
      );
    if (clock.now() >= deadline) {
      const what = status === null ? 'the new program does not answer' : 'zero still runs the old program';
      throw new CommandError(EXIT.failed, `${what}. Check the log of zero.`);
    }
    await new Promise<void>((resolve) => clock.after(PAUSE, resolve));
  }
}
