import type { ControlClient } from '../control/client.ts';
import { ClientError } from '../control/client-error.ts';
import type { StatusDocument } from '../control/protocol.ts';
import { EXIT } from './exit-code.ts';
import { Redraw } from './render/redraw.ts';
import { renderStatus } from './render/status.ts';
import { painter } from './render/style.ts';
import { documentPrinter, requireTerminal, Wake } from './watching.ts';
import type { CommandContext } from './with-instance.ts';

/**
 * `zero status --watch`: draws the status again, in place, whenever something happens and each second; with `json` a document in one line for each
 * change. Ends with Ctrl-C or when zero says that it leaves, and neither is a failure.
 */
export async function watchStatus(
  client: ControlClient,
  json: boolean,
  { terminal, clock, interrupted }: CommandContext,
): Promise<number> {
  requireTerminal(json, terminal);
  const show = json ? documentPrinter(terminal.out, VOLATILE) : drawer(terminal);
  const wake = new Wake(clock);
  const followed = follow(client, wake, interrupted);
  let shown = false;
  try {
    while (!wake.over || !shown) {
      show(await client.status(interrupted, { connections: true }));
      shown = true;
      if (!(await terminal.taken())) return EXIT.done;
      await wake.next();
    }
  } catch (error) {
    // It can be gone while its last word is not read yet: that says how it left.
    if (!shown || !(interrupted.aborted || isGone(error))) throw error;
  } finally {
    wake.end();
  }
  if (interrupted.aborted) return EXIT.done;
  const end = await followed;
  if (isGone(end)) throw new ClientError('gone', 'zero went away without a word: see its log');
  if (end !== null) throw end;
  terminal.err('zero has stopped\n');
  return EXIT.done;
}

function isGone(error: unknown): boolean {
  return error instanceof ClientError && (error.problem === 'gone' || error.problem === 'no_instance');
}

/** Wakes whoever waits with every event. Resolves to null when zero says that it leaves, else to what went wrong. */
async function follow(client: ControlClient, wake: Wake, interrupted: AbortSignal): Promise<unknown> {
  try {
    for await (const _ of client.events(interrupted)) wake.up();
    return null;
  } catch (error) {
    return error;
  } finally {
    wake.finish();
  }
}

function drawer(terminal: CommandContext['terminal']): (status: StatusDocument) => void {
  const redraw = new Redraw(terminal, 'zero status');
  const paint = painter(terminal.outColour);
  return (status) => redraw.draw(renderStatus(status, paint).trimEnd().split('\n'));
}

/** What grows with time alone is no change. */
const VOLATILE: ReadonlySet<string> = new Set([
  'uptime_ms',
  'since_ms_ago',
  'until_ms',
  'ms_ago',
  'retry_in_ms',
  'connections',
  'queue',
  'usage',
]);
