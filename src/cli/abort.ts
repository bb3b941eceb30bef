import { EXIT } from './exit-code.ts';
import type { InstanceOptions } from './find-instance.ts';
import { type CommandContext, processContext, withInstance } from './with-instance.ts';

/** `zero abort`: ends the handover in progress by going back to the incumbent. Resolves to the exit code. */
export function abort(
  instance: InstanceOptions,
  context: CommandContext = processContext(),
): Promise<number> {
  return withInstance({ command: 'abort', instance, guess: true }, context, async (client) => {
    await client.abort(context.interrupted);
    return EXIT.done;
  });
}
