import type { ControlClient } from '../control/client.ts';
import type { StatusDocument } from '../control/protocol.ts';
import { EXIT } from './exit-code.ts';
import { type Followed, followEvents, followedOf, isGone, type Lost, nextSupervisor } from './reconnect.ts';
import { Redraw } from './render/redraw.ts';
import { renderStatus } from './render/status.ts';
import { painter } from './render/style.ts';
import { documentPrinter, requireTerminal, Wake } from './watching.ts';
import type { CommandContext } from './with-instance.ts';

/** Shows each status of the instance's supervisors. */
interface View {
  show(status: StatusDocument): void;
  /** Called before other lines are written. */
  leave(): void;
}

/**
 * `zero status --watch`: redraws the status in place at every event and every second; with `json`, prints one document
 * per change on one line. Follows a supervisor that is restarted or upgraded. Ends with Ctrl-C, or when zero reports
 * that it stops. Neither is a failure.
 */
export async function watchStatus(
  client: ControlClient,
  json: boolean,
  context: CommandContext,
): Promise<number> {
  const { terminal } = context;
  requireTerminal(json, terminal);
  const print = documentPrinter(terminal.out, VOLATILE);
  const view = json ? { show: print, leave: () => {} } : drawer(terminal);
  for (;;) {
    const end = await watchOne(client, view, context);
    if (end === 'enough') return EXIT.done;
    view.leave();
    if (end === 'stopped') break;
    if ((await nextSupervisor(client, end.followed, end.lost, context)) === null) return EXIT.done;
  }
  terminal.err('zero has stopped\n');
  return EXIT.done;
}

/**
 * Shows the status of one supervisor. `enough`: the output has no reader any more, or Ctrl-C; `stopped`: zero has
 * stopped its service. Rejects with ClientError if no status was shown.
 */
async function watchOne(
  client: ControlClient,
  view: View,
  { terminal, clock, interrupted }: CommandContext,
): Promise<'enough' | 'stopped' | { readonly followed: Followed; readonly lost: Lost }> {
  const wake = new Wake(clock, terminal);
  const over = new AbortController();
  const following = followEvents(client, AbortSignal.any([interrupted, over.signal]), () => {
    wake.up();
    return false;
  }).finally(() => wake.finish());
  // Awaited below.
  following.catch(() => {});
  let last: StatusDocument | null = null;
  let isOver = false;
  try {
    while (!wake.over || last === null) {
      last = await client.status(interrupted, { connections: true });
      view.show(last);
      if (!(await terminal.taken())) return 'enough';
      await wake.next();
    }
    isOver = true;
  } catch (error) {
    // The supervisor may have exited before its last event, which contains how it ended, was read.
    isOver = last !== null && (interrupted.aborted || isGone(error));
    if (!isOver) throw error;
  } finally {
    wake.end();
    // An open connection would keep this command running.
    if (!isOver) over.abort();
  }
  if (interrupted.aborted) return 'enough';
  const end = await following;
  if (end === 'enough' || end === 'stopped' || last === null) return 'stopped';
  return { followed: followedOf(last), lost: end };
}

function drawer(terminal: CommandContext['terminal']): View {
  const redraw = new Redraw(terminal, 'zero status');
  const paint = painter(terminal.outColour);
  return {
    show: (status) => redraw.draw(renderStatus(status, paint).trimEnd().split('\n')),
    leave: () => redraw.leave(),
  };
}

/** Fields that grow with time alone are not a change. */
const VOLATILE: ReadonlySet<string> = new Set([
  'uptime_ms',
  'since_ms_ago',
  'until_ms',
  'ms_ago',
  'retry_in_ms',
  'connections',
  'queue',
  'usage',
  'last_event',
]);
