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
  const check = () => signalOf(given);
  return withInstance({ command: 'signal', instance, guess: true, check }, context, async (client) => {
    const name = signalOf(given);
    const { generation, workers } = await client.signal({ signal: name }, interrupted);
    const pids = workers.map(({ pid }) => pid).join(', ');
    terminal.out(`${name} sent to generation ${generation}: pid ${pids}\n`);
    return EXIT.done;
  });
}

function signalOf(text: string): string {
  const name = parseSignal(text);
  if (name !== null) return name;
  throw new CommandError(
    EXIT.usage,
    `unknown signal ${JSON.stringify(text)}. Write a name such as SIGUSR1, or a number`,
  );
}
