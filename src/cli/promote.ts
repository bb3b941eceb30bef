import { EXIT } from './exit-code.ts';
import type { InstanceOptions } from './find-instance.ts';
import { type CommandContext, processContext, withInstance } from './with-instance.ts';

type EarlyEnd = (instance: InstanceOptions, context?: CommandContext) => Promise<number>;

/**
 * `zero promote`: proceeds from the preview, the canary or the soak before its time has expired. Resolves to the exit
 * code.
 */
export const promote: EarlyEnd = endEarly('promote');

/**
 * `zero abort`: ends the handover in progress, and the incumbent keeps serving. After a promotion it returns to the old
 * generation as long as that one was not asked to stop. Resolves to the exit code.
 */
export const abort: EarlyEnd = endEarly('abort');

function endEarly(command: 'promote' | 'abort'): EarlyEnd {
  return (instance, context = processContext()) =>
    withInstance({ command, instance, guess: true }, context, async (client) => {
      await client[command](context.interrupted);
      return EXIT.done;
    });
}
