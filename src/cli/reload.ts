import type { InstanceOptions } from './find-instance.ts';
import { followHandover, timeoutOf } from './follow-handover.ts';
import { type CommandContext, processContext, withInstance } from './with-instance.ts';

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
  return withInstance({ command: 'reload', instance, guess: true, json }, context, async (client) => {
    const timeout_ms = timeoutOf(timeout);
    const request = { preview, replace, timeout_ms, wait };
    return followHandover(client.reload(request, context.interrupted), { wait, json, instance }, context);
  });
}
