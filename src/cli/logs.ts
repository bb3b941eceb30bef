import type { ControlClient } from '../control/client.ts';
import { ClientError } from '../control/client-error.ts';
import { CommandError } from './command-error.ts';
import { EXIT } from './exit-code.ts';
import type { InstanceOptions } from './find-instance.ts';
import { OutputPrinter } from './render/output.ts';
import { type CommandContext, processContext, withInstance } from './with-instance.ts';

export interface LogsOptions extends InstanceOptions {
  readonly follow: boolean;
  /** As written. */
  readonly lines?: string;
  readonly generation?: string;
}

/** `zero logs`: what the service wrote, byte for byte unless a terminal shows it. Ctrl-C ends following, and that is no failure. */
export function logs(
  { follow, lines, generation, ...instance }: LogsOptions,
  context: CommandContext = processContext(),
): Promise<number> {
  const { interrupted, terminal } = context;
  return withInstance({ command: 'logs', instance, guess: true }, context, async (client) => {
    const request = {
      follow,
      ...(lines === undefined ? {} : { lines: countOf('-n', lines, 0) }),
      ...(generation === undefined ? {} : { generation: countOf('--generation', generation, 1) }),
    };
    const printer = new OutputPrinter(terminal);
    try {
      await print(client, request, printer, context);
    } catch (error) {
      if (interrupted.aborted && follow) return EXIT.done;
      if (error instanceof ClientError && error.problem === 'gone' && printer.begun)
        throw new ClientError('gone', 'zero went away without a word: see its log');
      throw error;
    } finally {
      printer.end();
    }
    return EXIT.done;
  });
}

async function print(
  client: ControlClient,
  request: Parameters<ControlClient['logs']>[0],
  printer: OutputPrinter,
  { interrupted, terminal }: CommandContext,
): Promise<void> {
  for await (const line of client.logs(request, interrupted)) {
    if ('output' in line) printer.print(line.output);
    else printer.tellGap(line.gap.bytes);
    // Whoever reads this at its own pace is followed at that pace: what it does not take waits in the supervisor, which has a bound.
    if (!(await terminal.taken())) return;
  }
}

function countOf(option: string, text: string, least: number): number {
  const count = Number(text);
  if (!/^\d{1,9}$/.test(text) || count < least)
    throw new CommandError(EXIT.usage, `${option} ${JSON.stringify(text)} is no number from ${least} on`);
  return count;
}
