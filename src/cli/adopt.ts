import { existsSync } from 'node:fs';
import { escapeControls } from '../common/text.ts';
import { locateConfig } from '../config/index.ts';
import { directoryAsGiven } from '../service/as-given.ts';
import { AdoptionError } from '../supervisor/adoption/permission.ts';
import { listenArguments, serviceOf } from '../supervisor/adoption/take-service.ts';
import { ConfigError, configFile } from '../supervisor/start/config-source.ts';
import { supervise } from '../supervisor/supervise.ts';
import { EXIT } from './exit-code.ts';
import { commandLineSource } from './run.ts';
import { version } from './version.ts';

export interface AdoptOptions {
  readonly pid: string;
  readonly config?: string;
  readonly name?: string;
  readonly command: readonly string[];
}

/**
 * `zero adopt --pid PID [--config FILE] [-- CMD [ARG...]]`: runs the supervisor of a service that is already running.
 * Resolves to the exit code of the supervisor.
 */
export async function adopt({ pid: given, config, name, command }: AdoptOptions): Promise<number> {
  if (!/^[1-9]\d{0,9}$/.test(given)) return usage(`--pid ${given}: must be a process id, such as 4711`);
  const pid = Number(given);
  if (config !== undefined && command.length > 0)
    return usage('--config cannot be combined with a command. Write the command into the file');
  if (config !== undefined && name !== undefined)
    return usage('--name requires a command. With a config, set runtime.name in the file');
  if (command.length > 0) return adoptWithCommand(pid, command, name);
  const file = locateConfig(config);
  if (config === undefined && !existsSync(file))
    return usage(
      `${file} does not exist. Pass --config FILE, or the command that starts the next version: zero adopt --pid ${pid} -- CMD [ARG...]`,
    );
  const source = configFile(file, directoryAsGiven());
  return supervise({
    source,
    version,
    adopt: { pid, take: serviceOf(pid, file), again: () => ['run', '--config', file] },
  });
}

/** Without a config: the listeners are the sockets of the process. */
function adoptWithCommand(
  pid: number,
  command: readonly string[],
  name: string | undefined,
): Promise<number> {
  let listen: string[];
  try {
    listen = listenArguments(pid);
  } catch (error) {
    if (!(error instanceof AdoptionError)) throw error;
    console.error(`zero: ${escapeControls(error.message)}`);
    return Promise.resolve(EXIT.failed);
  }
  try {
    const source = commandLineSource({ listen, command, ...(name !== undefined && { name }) });
    if (typeof source === 'string') return Promise.resolve(refuse(source));
    const again = (instance: string) => [
      'run',
      ...listen.flatMap((address) => ['--listen', address]),
      '--name',
      instance,
      '--',
      ...command,
    ];
    return supervise({ source, version, adopt: { pid, take: serviceOf(pid, 'the command line'), again } });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) console.error(problem);
    return Promise.resolve(EXIT.usage);
  }
}

function usage(message: string): number {
  return refuse(`zero adopt: ${message}`);
}

function refuse(message: string): number {
  console.error(message);
  return EXIT.usage;
}
