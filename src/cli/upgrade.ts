import path from 'node:path';
import { isStandalone } from '../common/own-program.ts';
import type { ControlClient } from '../control/client.ts';
import { ClientError } from '../control/client-error.ts';
import { directoryAsGiven } from '../service/as-given.ts';
import { CommandError, EXIT } from './exit-code.ts';
import type { InstanceOptions } from './find-instance.ts';
import { timeoutOf } from './follow-handover.ts';
import { safe } from './render/style.ts';
import { showWaiting } from './waiting.ts';
import { type CommandContext, processContext, withInstance } from './with-instance.ts';

export interface UpgradeOptions extends InstanceOptions {
  /** The zero that is wanted, as written. */
  readonly path?: string;
  /** As written. */
  readonly timeout?: string;
}

const TIMEOUT = 60_000;

/** Milliseconds for the new program to answer, and between two attempts. */
const PATIENCE = 60_000;
const PAUSE = 100;

/**
 * `zero upgrade [PATH]`: replaces the program of a running zero by the one that is installed now, and waits until that
 * answers. Resolves to the exit code.
 */
export function upgrade(
  { path: wanted, timeout, ...instance }: UpgradeOptions,
  context: CommandContext = processContext(),
): Promise<number> {
  return withInstance({ command: 'upgrade', instance, guess: true }, context, async (client) => {
    const request = {
      ...(wanted !== undefined && { path: path.resolve(directoryAsGiven(), wanted) }),
      ...(!isStandalone && { node: process.execPath }),
      timeout_ms: timeoutOf(timeout) ?? TIMEOUT,
    };
    const { interrupted, terminal } = context;
    const before = (await client.status(interrupted)).supervisor?.upgrades ?? 0;
    const from = await start(client.upgrade(request, interrupted), context);
    const to = await newProgram(client, before, context);
    terminal.out(`zero ${safe(from)} was replaced by zero ${safe(to)}; the service was not touched\n`);
    return EXIT.done;
  });
}

/** The release of the old program, once the new one has passed its dry run. */
async function start(
  lines: ReturnType<ControlClient['upgrade']>,
  { terminal, clock }: CommandContext,
): Promise<string> {
  const waiting = showWaiting(terminal, clock);
  let from = '';
  try {
    for await (const line of lines) {
      if ('accepted' in line) from = line.accepted.zero;
      else if ('fact' in line) waiting.tell(line.fact);
      else if ('refused' in line) throw new CommandError(EXIT.failed, line.refused.message);
      else return from;
    }
  } finally {
    waiting.end();
  }
  throw new ClientError('gone', 'zero exited before it answered. Check its log.');
}

/** Asks again and again until the new program answers. Resolves to its release. */
async function newProgram(
  client: ControlClient,
  before: number,
  { clock, interrupted }: CommandContext,
): Promise<string> {
  const deadline = clock.now() + PATIENCE;
  for (;;) {
    const status = await client.status(interrupted).catch((error: unknown) => {
      if (interrupted.aborted || !(error instanceof ClientError)) throw error;
      return null;
    });
    if (status && (status.supervisor?.upgrades ?? 0) > before) return status.zero;
    if (clock.now() >= deadline)
      throw new CommandError(EXIT.failed, 'the new program does not answer. Check the log of zero.');
    await new Promise<void>((resolve) => clock.after(PAUSE, resolve));
  }
}
