import { CommandError, EXIT } from './exit-code.ts';
import type { InstanceOptions } from './find-instance.ts';
import { followHandover, timeoutOf } from './follow-handover.ts';
import { type CommandContext, processContext, withInstance } from './with-instance.ts';

export interface WaitOptions extends InstanceOptions {
  /** As written: the number of a handover. Default: the one in progress, otherwise the last one. */
  readonly handover?: string;
  readonly timeout?: string;
  readonly json: boolean;
}

/**
 * `zero wait [HANDOVER]`: waits for the result of a handover that is in progress or has ended. It only watches: the
 * handover continues when the command ends. Resolves to the exit code of the result.
 */
export function wait(options: WaitOptions, context: CommandContext = processContext()): Promise<number> {
  const { handover, timeout, json, ...instance } = options;
  const read = () => ({
    request: handover === undefined ? {} : { handover: numberOf(handover) },
    limit: timeoutOf(timeout),
  });
  const target = { command: 'wait', instance, guess: true, json, check: read };
  return withInstance(target, context, async (client) => {
    const { request, limit } = read();
    const stop =
      limit === null
        ? context.interrupted
        : AbortSignal.any([context.interrupted, AbortSignal.timeout(limit)]);
    return followHandover(
      client,
      (signal) => client.wait(request, signal),
      { wait: true, json, instance, ...(timeout !== undefined && { timeout }) },
      { ...context, interrupted: stop },
    );
  });
}

function numberOf(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new CommandError(EXIT.usage, `unknown handover ${text}: must be a number of 1 or greater`);
  return Number(text);
}
