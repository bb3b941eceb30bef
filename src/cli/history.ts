import type { HistoryDocument } from '../control/protocol.ts';
import { EXIT } from './exit-code.ts';
import type { InstanceOptions } from './find-instance.ts';
import { readHistory } from './read-history.ts';
import { renderHistory } from './render/history.ts';
import { painter } from './render/style.ts';
import { type CommandContext, processContext, withInstance } from './with-instance.ts';

export interface HistoryOptions extends InstanceOptions {
  readonly json: boolean;
}

/**
 * `zero history`: lists the past generations, and which of them a rollback can use. If zero is not running, reads the
 * history file. Resolves to the exit code.
 */
export function history(
  { json, ...instance }: HistoryOptions,
  context: CommandContext = processContext(),
): Promise<number> {
  const { terminal, interrupted } = context;
  const show = (document: HistoryDocument): number => {
    terminal.out(
      json ? `${JSON.stringify(document, null, 2)}\n` : renderHistory(document, painter(terminal.outColour)),
    );
    return EXIT.done;
  };
  const stopped = async (file: string | null): Promise<number | null> => {
    const recorded = await readHistory({ name: instance.name, file });
    if (recorded === null) return null;
    if (!json) terminal.err(`zero is not running; read from ${recorded.file}\n`);
    return show(recorded.document);
  };
  const target = { command: 'history', instance, guess: true, json, stopped };
  return withInstance(target, context, async (client) => show(await client.history(interrupted)));
}
