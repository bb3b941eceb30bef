import type { ControlClient } from '../control/client.ts';
import { ClientError } from '../control/client-error.ts';
import { MAX_WORKERS, type ScaleDocument } from '../control/protocol.ts';
import { PROTOCOL } from '../control/version.ts';
import { CommandError, EXIT, exitCodeOf } from './exit-code.ts';
import type { InstanceOptions } from './find-instance.ts';
import { timeoutOf } from './follow-handover.ts';
import { Interruption } from './interruption.ts';
import { duration, safe } from './render/style.ts';
import { showWaiting } from './waiting.ts';
import { type CommandContext, processContext, withInstance } from './with-instance.ts';

export interface ScaleOptions extends InstanceOptions {
  /** As written. */
  readonly workers: string;
  readonly timeout?: string;
  readonly json: boolean;
}

/**
 * `zero scale N`: changes the number of workers of the serving generation, and waits for the result. Resolves to the
 * exit code.
 */
export function scale(options: ScaleOptions, context: CommandContext = processContext()): Promise<number> {
  const { workers, timeout, json, ...instance } = options;
  const { terminal } = context;
  const request = () => {
    const timeout_ms = timeoutOf(timeout);
    return { workers: countOf(workers), ...(timeout_ms !== null && { timeout_ms }) };
  };
  const target = { command: 'scale', instance, guess: true, json, check: request };
  return withInstance(target, context, async (client) => {
    const result = await follow((signal) => client.scale(request(), signal), context);
    if (result === null) {
      if (json) terminal.out(`${JSON.stringify({ version: PROTOCOL, outcome: 'in_progress' })}\n`);
      else terminal.err('zero is still changing the number of workers. See "zero status"\n');
      return EXIT.inProgress;
    }
    if (json) terminal.out(`${JSON.stringify(result, null, 2)}\n`);
    else if (result.outcome === 'done') terminal.out(`${render(result)}\n`);
    else terminal.err(`zero scale: ${render(result)}\n`);
    return result.outcome === 'done' ? EXIT.done : exitCodeOf(result.outcome);
  });
}

function countOf(text: string): number {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > MAX_WORKERS)
    throw new CommandError(
      EXIT.usage,
      `${text}: the number of workers must be a whole number from 1 to ${MAX_WORKERS}`,
    );
  return count;
}

/** The result; null if Ctrl-C or an upgrade in place ended the wait. The change continues. */
async function follow(
  request: (signal: AbortSignal) => ReturnType<ControlClient['scale']>,
  context: CommandContext,
): Promise<ScaleDocument | null> {
  const { terminal, clock } = context;
  const interruption = new Interruption(context);
  const waiting = showWaiting(terminal, clock);
  let isUpgrade = false;
  try {
    for await (const line of request(interruption.signal)) {
      if ('accepted' in line) interruption.accepted();
      else if ('fact' in line) {
        if (line.fact.event === 'supervisor_upgrading') isUpgrade = true;
        waiting.tell(line.fact);
      } else return line.result;
    }
  } catch (error) {
    if (interruption.isDetached) return null;
    if (!(interruption.isAccepted && error instanceof ClientError)) throw error;
  } finally {
    interruption.end();
    waiting.end();
  }
  // An upgrade waits until all new workers are ready. Only workers that are no longer needed are still leaving.
  if (isUpgrade) return null;
  throw new ClientError('gone', 'zero exited before it reported the result. Check its log.');
}

function render({ outcome, generation, from, to, workers, duration_ms, failure }: ScaleDocument): string {
  const now = `generation ${generation} has ${workers} ${workers === 1 ? 'worker' : 'workers'}`;
  const after = `after ${duration(duration_ms)}`;
  if (outcome === 'done') return `${now} now (before: ${from}), ${after}`;
  if (outcome === 'in_progress')
    return `--timeout expired ${after}. ${now} now. Workers that are no longer needed are still finishing their connections.`;
  const state = generation === null ? 'no generation serves' : `${now}, as before`;
  const why = failure === null ? '' : `: ${safe(failure.reason)}`;
  const output = (failure?.output ?? []).map((line) => `\n    | ${safe(line)}`);
  const last = output.length === 0 ? '' : `\n  last output:${output.join('')}`;
  return `the number of workers was not changed from ${from} to ${to} (${safe(outcome.replaceAll('_', ' '))})${why}\n${state}${last}`;
}
