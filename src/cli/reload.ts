import { parseDuration } from '../config/values/duration.ts';
import type { ControlClient } from '../control/client.ts';
import { ClientError } from '../control/client-error.ts';
import type { VerdictDocument } from '../control/protocol.ts';
import { PROTOCOL } from '../control/version.ts';
import { CommandError } from './command-error.ts';
import { EXIT, exitCodeOf } from './exit-code.ts';
import { type InstanceOptions, instanceArguments } from './find-instance.ts';
import { painter } from './render/style.ts';
import { renderVerdict } from './render/verdict.ts';
import { showWaiting } from './waiting.ts';
import { type CommandContext, processContext, withInstance } from './with-instance.ts';

const WIDTH = 80;

export interface ReloadOptions extends InstanceOptions {
  readonly preview: boolean;
  readonly replace: boolean;
  /** As written. */
  readonly timeout?: string;
  readonly wait: boolean;
  readonly json: boolean;
}

/** `zero reload`: asks for a handover and waits for its verdict. Resolves to the exit code. */
export function reload(options: ReloadOptions, context: CommandContext = processContext()): Promise<number> {
  const { preview, replace, timeout, wait, json, ...instance } = options;
  return withInstance({ command: 'reload', instance, guess: true }, context, async (client) => {
    const timeout_ms = timeoutOf(timeout);
    const request = { preview, replace, timeout_ms, wait };
    return followHandover(client.reload(request, context.interrupted), { wait, json, instance }, context);
  });
}

export interface FollowOptions {
  readonly wait: boolean;
  readonly json: boolean;
  /** As it was named, for what is said to do next. */
  readonly instance: InstanceOptions;
}

/** Shows a handover that was asked for until its verdict, or until nobody waits for it any longer. Resolves to the exit code. */
export async function followHandover(
  lines: ReturnType<ControlClient['reload']>,
  { wait, json, instance }: FollowOptions,
  context: CommandContext,
): Promise<number> {
  const verdict = await follow(lines, wait, context);
  return verdict === null ? stillGoing(wait, json, instance, context) : tellVerdict(verdict, json, context);
}

/** What `--timeout` says, in milliseconds; null where it is left out. */
export function timeoutOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  const parsed = parseDuration(text);
  if ('problem' in parsed) throw new CommandError(EXIT.usage, `--timeout ${parsed.problem}`);
  if (parsed.value === 0) throw new CommandError(EXIT.usage, '--timeout must be longer than 0');
  return parsed.value;
}

/** The verdict; null where nobody waits for it, or not any longer. */
async function follow(
  lines: ReturnType<ControlClient['reload']>,
  wait: boolean,
  { terminal, clock, interrupted }: CommandContext,
): Promise<VerdictDocument | null> {
  const waiting = showWaiting(terminal, clock);
  let taken = false;
  try {
    for await (const line of lines) {
      if ('accepted' in line) taken = true;
      else if ('fact' in line) waiting.tell(line.fact);
      else return line.verdict;
    }
  } catch (error) {
    if (taken && interrupted.aborted) return null;
    if (!(taken && error instanceof ClientError)) throw error;
  } finally {
    waiting.end();
  }
  if (taken && !wait) return null;
  throw new ClientError(
    'gone',
    'zero went away before the verdict: how the handover ended is not known: see its log',
  );
}

function stillGoing(
  wait: boolean,
  json: boolean,
  instance: InstanceOptions,
  { terminal }: CommandContext,
): number {
  const named = instanceArguments(instance);
  const how = `follow it with "zero status --watch${named}", end it with "zero abort${named}"`;
  if (json) terminal.out(`${JSON.stringify({ version: PROTOCOL, outcome: 'in_progress' })}\n`);
  else terminal.err(`${wait ? 'the handover goes on' : 'the handover was asked for'}: ${how}\n`);
  return EXIT.inProgress;
}

function tellVerdict(verdict: VerdictDocument, json: boolean, { terminal }: CommandContext): number {
  if (json) terminal.out(`${JSON.stringify(verdict, null, 2)}\n`);
  else if (verdict.outcome === 'promoted') terminal.out(renderVerdict(verdict, painter(terminal.outColour)));
  else terminal.err(renderVerdict(verdict, painter(terminal.errColour), terminal.interactive ? WIDTH : null));
  return exitCodeOf(verdict.outcome);
}
