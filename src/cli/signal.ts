import { parseSignal } from '../common/signals.ts';
import { CommandError, EXIT } from './exit-code.ts';
import type { InstanceOptions } from './find-instance.ts';
import { type CommandContext, processContext, withInstance } from './with-instance.ts';

export interface SignalOptions extends InstanceOptions {
  /** As written: a name with or without SIG, or a number. */
  readonly signal: string;
}

/**
 * `zero signal SIG`: sends a signal to the workers of the serving generation, and lists them. Resolves to the exit
 * code.
 */
export function signal(
  { signal: given, ...instance }: SignalOptions,
  context: CommandContext = processContext(),
): Promise<number> {
  const { terminal, interrupted } = context;
  return withInstance({ command: 'signal', instance, guess: true }, context, async (client) => {
    const name = parseSignal(given);
    if (name === null)
      throw new CommandError(
        EXIT.usage,
        `unknown signal ${JSON.stringify(given)}. Write a name such as SIGUSR1, or a number`,
      );
    const { generation, workers } = await client.signal({ signal: name }, interrupted);
    const pids = workers.map(({ pid }) => pid).join(', ');
    terminal.out(`${name} sent to generation ${generation}: pid ${pids}\n`);
    return EXIT.done;
  });
}
