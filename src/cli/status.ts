import { EXIT } from './exit-code.ts';
import type { InstanceOptions } from './find-instance.ts';
import { renderStatus } from './render/status.ts';
import { painter } from './render/style.ts';
import { watchStatus } from './watch-status.ts';
import { type CommandContext, processContext, withInstance } from './with-instance.ts';

export interface StatusOptions extends InstanceOptions {
  readonly json: boolean;
  /** Keeps updating. */
  readonly watch: boolean;
}

/** `zero status`: prints the status as text or as the document of the control socket. Resolves to the exit code. */
export function status(
  { json, watch, ...instance }: StatusOptions,
  context: CommandContext = processContext(),
): Promise<number> {
  const { terminal, interrupted } = context;
  return withInstance({ command: 'status', instance, guess: true, json }, context, async (client) => {
    if (watch) return watchStatus(client, json, context);
    const document = await client.status(interrupted, { connections: true });
    terminal.out(
      json ? `${JSON.stringify(document, null, 2)}\n` : renderStatus(document, painter(terminal.outColour)),
    );
    return EXIT.done;
  });
}
