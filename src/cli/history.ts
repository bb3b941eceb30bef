import { EXIT } from './exit-code.ts';
import type { InstanceOptions } from './find-instance.ts';
import { renderHistory } from './render/history.ts';
import { painter } from './render/style.ts';
import { type CommandContext, processContext, withInstance } from './with-instance.ts';

export interface HistoryOptions extends InstanceOptions {
  readonly json: boolean;
}

/** `zero history`: the generations that there were, and which can be gone back to. Resolves to the exit code. */
export function history(
  { json, ...instance }: HistoryOptions,
  context: CommandContext = processContext(),
): Promise<number> {
  const { terminal, interrupted } = context;
  return withInstance({ command: 'history', instance, guess: true }, context, async (client) => {
    const document = await client.history(interrupted);
    terminal.out(
      json ? `${JSON.stringify(document, null, 2)}\n` : renderHistory(document, painter(terminal.outColour)),
    );
    return EXIT.done;
  });
}
