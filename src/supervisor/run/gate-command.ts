import { after } from '../../common/clock.ts';
import { errorText } from '../../common/errors.ts';
import type { CommandResult, RunCommand } from '../../readiness/index.ts';
import { type CommandSystem, runCommand } from '../../workers/spawning/command.ts';
import type { Prepared } from './prepare.ts';

/** Runs a gate's command with the user, privileges, directory and environment of the service. */
export function gateCommand(prepared: Prepared, system: CommandSystem): RunCommand {
  const { user, release, config } = prepared;
  const { directory, environment } = release;
  return ({ run, timeout, variables = {}, stop }) =>
    new Promise<CommandResult>((resolve) => {
      try {
        const added = Object.entries(variables).map(([name, value]) => [name, Buffer.from(value)] as const);
        const own = new Map([...environment, ...added]);
        const request = {
          run,
          directory,
          environment: own,
          user,
          privileges: config.service.runtime,
          timeout,
        };
        const abort = () => {
          command.close();
          resolve({ kind: 'failed', reason: 'it was cancelled' });
        };
        const command = runCommand(request, system, { after }, ({ status, timedOut }) => {
          stop.removeEventListener('abort', abort);
          if (timedOut) resolve({ kind: 'timed_out' });
          else if (status.kind === 'unknown')
            resolve({ kind: 'failed', reason: 'its exit status is unknown' });
          else resolve(status);
        });
        stop.addEventListener('abort', abort);
      } catch (error) {
        resolve({ kind: 'failed', reason: errorText(error) });
      }
    });
}
