import { EXIT } from './exit-code.ts';
import type { InstanceOptions } from './find-instance.ts';
import { type CommandContext, processContext, withInstance } from './with-instance.ts';

/** `zero promote`: goes on from the preview, the canary or the soak. Resolves to the exit code. */
export function promote(
  instance: InstanceOptions,
  context: CommandContext = processContext(),
): Promise<number> {
  return withInstance({ command: 'promote', instance, guess: true }, context, async (client) => {
    await client.promote(context.interrupted);
    return EXIT.done;
  });
}
