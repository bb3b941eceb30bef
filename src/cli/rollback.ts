import { CommandError, EXIT } from './exit-code.ts';
import type { InstanceOptions } from './find-instance.ts';
import { followHandover, timeoutOf } from './follow-handover.ts';
import { type CommandContext, processContext, withInstance } from './with-instance.ts';

export interface RollbackOptions extends InstanceOptions {
  /** As written. */
  readonly to?: string;
  readonly timeout?: string;
  readonly wait: boolean;
  readonly json: boolean;
}

/** `zero rollback`: requests a handover to an earlier release and waits for its result. Resolves to the exit code. */
export function rollback(
  options: RollbackOptions,
  context: CommandContext = processContext(),
): Promise<number> {
  const { to, timeout, wait, json, ...instance } = options;
  const request = () => ({ to: generationOf(to), timeout_ms: timeoutOf(timeout), wait });
  const target = { command: 'rollback', instance, guess: true, json, check: request };
  return withInstance(target, context, (client) =>
    followHandover(client, (signal) => client.rollback(request(), signal), { wait, json, instance }, context),
  );
}

function generationOf(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (!/^[1-9]\d{0,8}$/.test(text))
    throw new CommandError(
      EXIT.usage,
      `--to ${text}: must be the number of a generation. See "zero history"`,
    );
  return Number(text);
}
