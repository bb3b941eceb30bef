import type { ControlClient } from '../control/client.ts';
import { ClientError } from '../control/client-error.ts';
import { EXIT } from './exit-code.ts';
import type { InstanceOptions } from './find-instance.ts';
import { showWaiting } from './waiting.ts';
import { type CommandContext, processContext, withInstance } from './with-instance.ts';

export interface StopOptions extends InstanceOptions {
  readonly now: boolean;
}

/** `zero stop`: stops the service and then zero, and waits until its process is gone. Resolves to the exit code. */
export function stop(
  { now, ...instance }: StopOptions,
  context: CommandContext = processContext(),
): Promise<number> {
  return withInstance({ command: 'stop', instance, guess: false }, context, async (client) => {
    const end = await follow(client, now, context);
    if (end === 'stopped') return EXIT.done;
    if (end === 'gone') {
      throw new ClientError(
        'gone',
        'zero went away before it said that the service had stopped: see its log',
      );
    }
    context.terminal.err('it goes on stopping: follow it with "zero status"\n');
    return EXIT.inProgress;
  });
}

async function follow(
  client: ControlClient,
  now: boolean,
  { terminal, clock, interrupted }: CommandContext,
): Promise<'stopped' | 'gone' | 'interrupted'> {
  const waiting = showWaiting(terminal, clock);
  let taken = false;
  let stopped = false;
  try {
    for await (const line of client.stop({ now }, interrupted)) {
      if ('accepted' in line) taken = true;
      else if ('fact' in line) waiting.tell(line.fact);
      else stopped = true;
    }
  } catch (error) {
    if (taken && interrupted.aborted) return 'interrupted';
    // The kernel closes the connection with the process: that is the end that was waited for.
    if (!(taken && error instanceof ClientError && error.problem === 'gone')) throw error;
  } finally {
    waiting.end();
  }
  return stopped ? 'stopped' : 'gone';
}
