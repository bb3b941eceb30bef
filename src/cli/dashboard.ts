import { setMaxListeners } from 'node:events';
import { createAdminServer } from '../admin/server.ts';
import { unrefTimers } from '../common/clock.ts';
import { parseAdminAddress } from '../config/values/endpoints.ts';
import { ListenerError } from '../listeners/listener-error.ts';
import { openAdminSocket } from '../supervisor/observe/admin-socket.ts';
import { Fleet } from './dashboard/fleet.ts';
import { CommandError, EXIT } from './exit-code.ts';
import { here } from './find-instance.ts';
import { instancesIn } from './instances/find.ts';
import { type CommandContext, processContext } from './with-instance.ts';

export interface DashboardOptions {
  /** The address of the page. */
  readonly listen: string;
}

/** `zero dashboard`: serves a page with all instances until Ctrl-C. Resolves to the exit code. */
export async function dashboard(
  { listen }: DashboardOptions,
  context: CommandContext = processContext(),
): Promise<number> {
  const { terminal, interrupted, surroundings } = context;
  setMaxListeners(0, interrupted);
  try {
    const { socket, ownHost } = await open(listen);
    // Read again each time, because instances and users come and go.
    const fleet = new Fleet(() => instancesIn((surroundings ?? here()).roots), unrefTimers);
    const server = await createAdminServer({
      fd: socket.fd,
      ownHost,
      warn: (message) => terminal.err(`zero dashboard: ${message}\n`),
      answer: (path) => fleet.answer(path),
    });
    const where = socket.reach === 'file' ? socket.text : `http://${socket.text}/`;
    terminal.out(`Dashboard of all instances: ${where}\n`);
    if (socket.reach === 'network')
      terminal.err('zero dashboard: other machines can reach this address, which has no password\n');
    await new Promise<void>((resolve) => {
      interrupted.addEventListener('abort', () => resolve(), { once: true });
      process.once('SIGTERM', () => resolve());
    });
    socket.remove();
    server.close();
    return EXIT.done;
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    terminal.err(`zero dashboard: ${error.message}\n`);
    return error.exitCode;
  }
}

/** Throws CommandError. */
async function open(listen: string) {
  const parsed = parseAdminAddress(listen);
  if ('problem' in parsed) throw new CommandError(EXIT.usage, `--listen: ${parsed.problem}`);
  const { value: address } = parsed;
  try {
    const socket = await openAdminSocket(address, () => null);
    const ownHost = socket.reach === 'machine' && address.kind === 'inet' ? address.host : null;
    return { socket, ownHost };
  } catch (error) {
    if (!(error instanceof ListenerError)) throw error;
    throw new CommandError(EXIT.failed, `cannot listen on ${listen}: ${error.message}`);
  }
}
