import { parseDuration } from '../common/duration.ts';
import type { ControlClient } from '../control/client.ts';
import { ClientError } from '../control/client-error.ts';
import type { AnswerOf, VerdictDocument } from '../control/protocol.ts';
import { PROTOCOL } from '../control/version.ts';
import { CommandError, EXIT, exitCodeOf } from './exit-code.ts';
import { type InstanceOptions, instanceArguments } from './find-instance.ts';
import { Interruption } from './interruption.ts';
import { isAway, Patience } from './reconnect.ts';
import { painter } from './render/style.ts';
import { renderVerdict } from './render/verdict.ts';
import { showWaiting } from './waiting.ts';
import { type CommandContext, LostHandover } from './with-instance.ts';

const WIDTH = 80;

export interface FollowOptions {
  readonly wait: boolean;
  readonly json: boolean;
  /** The instance as the user specified it, for messages with the next command. */
  readonly instance: InstanceOptions;
  /** The timeout of this command, as written, if only the command ends after it. */
  readonly timeout?: string;
}

/** The state of a handover that this command does not, or no longer, wait for. */
interface Unfinished {
  /** null: the supervisor does not number requests. */
  readonly handover: number | null;
  readonly duration: number;
}

type Lines = AsyncIterable<AnswerOf<'reload'> | AnswerOf<'wait'>>;

/**
 * Requests a handover and shows it until its result, or until the command stops waiting. Resolves to the exit code.
 * If zero dies or is upgraded meanwhile, the next supervisor of the instance is asked for the result.
 * @param request sends the request, which the signal ends
 */
export async function followHandover(
  client: Pick<ControlClient, 'wait'>,
  request: (signal: AbortSignal) => Lines,
  options: FollowOptions,
  context: CommandContext,
): Promise<number> {
  const end = await follow(client, request, options.wait, context);
  return 'outcome' in end ? tellVerdict(end, options.json, context) : tellUnfinished(end, options, context);
}

/** The milliseconds of `--timeout`; null if it is omitted. */
export function timeoutOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  const parsed = parseDuration(text);
  if ('problem' in parsed) throw new CommandError(EXIT.usage, `--timeout ${parsed.problem}`);
  if (parsed.value === 0) throw new CommandError(EXIT.usage, '--timeout must be longer than 0');
  return parsed.value;
}

async function follow(
  client: Pick<ControlClient, 'wait'>,
  request: (signal: AbortSignal) => Lines,
  wait: boolean,
  context: CommandContext,
): Promise<VerdictDocument | Unfinished> {
  const { terminal, clock } = context;
  const interruption = new Interruption(context);
  const { signal } = interruption;
  const waiting = showWaiting(terminal, clock);
  const patience = new Patience(context, (text) => waiting.note(text));
  const since = clock.now();
  let handover: number | null = null;
  let restarts = false;
  const unfinished = () => ({ handover, duration: Math.round(clock.now() - since) });
  try {
    for (let lines = request(signal); ; ) {
      try {
        for await (const line of lines) {
          if ('verdict' in line) return line.verdict;
          patience.answered();
          if ('fact' in line) {
            waiting.tell(line.fact);
            // The same process will run another program.
            if (line.fact.event === 'supervisor_upgrading') restarts = true;
          } else {
            interruption.accepted();
            ({ handover = null, restarts = false } = line.accepted);
          }
        }
      } catch (error) {
        if (interruption.isDetached) return unfinished();
        if (!(interruption.isAccepted && error instanceof ClientError)) throw error;
        if (!isAway(error))
          throw new LostHandover(handover, error.problem === 'refused' ? error.message : null);
      }
      if (interruption.isAccepted && !wait) return unfinished();
      const isLost = handover === null || !restarts || !(await patience.next());
      if (interruption.isDetached) return unfinished();
      if (isLost || handover === null) throw new LostHandover(handover);
      lines = client.wait({ handover }, signal);
    }
  } finally {
    interruption.end();
    waiting.end();
  }
}

function tellUnfinished(
  { handover, duration }: Unfinished,
  { wait, json, instance, timeout }: FollowOptions,
  { terminal }: CommandContext,
): number {
  const what = handover === null ? 'The handover' : `Handover ${handover}`;
  const over = timeout === undefined ? '' : `--timeout ${timeout} expired. `;
  if (json) {
    const reason = `${over}${what} is still in progress.`;
    const failure = timeout === undefined ? null : { step: 'timeout', reason };
    const numbers = { handover, generation: null, incumbent: null, duration_ms: duration };
    const document = { version: PROTOCOL, outcome: 'in_progress', ...numbers, failure };
    terminal.out(`${JSON.stringify(document)}\n`);
    return EXIT.inProgress;
  }
  const named = instanceArguments(instance);
  const follow = handover === null ? `zero status --watch${named}` : `zero wait ${handover}${named}`;
  if (wait) {
    terminal.err(
      `${over}${what} is still in progress. Wait for its result with: ${follow}. End it with: zero abort${named}\n`,
    );
  } else {
    terminal.out(`${handover === null ? 'Handover' : what} requested. Wait for its result with: ${follow}\n`);
  }
  return EXIT.inProgress;
}

function tellVerdict(verdict: VerdictDocument, json: boolean, { terminal }: CommandContext): number {
  if (json) terminal.out(`${JSON.stringify(verdict, null, 2)}\n`);
  else if (verdict.outcome === 'promoted') terminal.out(renderVerdict(verdict, painter(terminal.outColour)));
  else terminal.err(renderVerdict(verdict, painter(terminal.errColour), terminal.interactive ? WIDTH : null));
  return exitCodeOf(verdict.outcome);
}
