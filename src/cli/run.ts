import { findCommand } from '../common/find-command.ts';
import { configFromArguments, formatProblem, locateConfig, type RunArguments } from '../config/index.ts';
import { directoryAsGiven } from '../service/as-given.ts';
import { withToken } from '../service/register/node-options.ts';
import { InstanceHeldError } from '../supervisor/instance/claim.ts';
import { InstanceError } from '../supervisor/instance/instance.ts';
import {
  ConfigError,
  type ConfigSource,
  configFile,
  fixedConfig,
} from '../supervisor/start/config-source.ts';
import { supervise } from '../supervisor/supervise.ts';
import { EXIT } from './exit-code.ts';
import type { Instance } from './instances/record.ts';
import { loadsModule, refusalOf, registerToken, whatStarts } from './node-command.ts';
import { version } from './version.ts';

/** `zero [run] [--config FILE]`: resolves to the supervisor's exit code. */
export function runFile(file: string | undefined): Promise<number> {
  return supervise({ source: configFile(locateConfig(file), directoryAsGiven()), version });
}

/**
 * Stops the service of a supervisor that has died. Resolves to the exit code; null if its keeper has restarted the
 * supervisor meanwhile.
 */
export async function stopLeftBehind(instance: Instance, now: boolean): Promise<number | null> {
  const { name, runtimeDirectory, configFile: file } = instance;
  const source = file == null ? NO_CONFIG : configFile(file.path);
  try {
    return await supervise({ source, version, left: { instance: { name, runtimeDirectory }, now } });
  } catch (error) {
    if (error instanceof InstanceHeldError) return null;
    throw error;
  }
}

const NO_CONFIG: ConfigSource = {
  file: null,
  read: null,
  snapshot: null,
  load() {
    throw new ConfigError(['the service was given as arguments']);
  },
};

export interface CommandLine {
  readonly listen: readonly string[];
  readonly name?: string;
  /** A number or `auto`. */
  readonly workers?: string;
  readonly command: readonly string[];
}

/**
 * `zero run [--listen ADDR]... [--name N] [--workers N] -- CMD`: runs the supervisor without a config file. Resolves to
 * its exit code.
 */
export function runCommandLine(line: CommandLine): Promise<number> {
  if (line.command.length === 0) {
    console.error('zero run: no command given. Write: zero run --listen 8080 -- CMD [ARG...]');
    return Promise.resolve(EXIT.usage);
  }
  try {
    const source = commandLineSource(line);
    if (typeof source !== 'string') return supervise({ source, version });
    console.error(source);
  } catch (error) {
    if (error instanceof InstanceError) {
      console.error(`zero run: ${error.message}`);
      return Promise.resolve(EXIT.failed);
    }
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) console.error(problem);
  }
  return Promise.resolve(EXIT.usage);
}

/** The config of a command line, or the reason why its service would get no socket. Throws ConfigError. */
export function commandLineSource(line: CommandLine): ConfigSource | string {
  const started = whatStarts(line.command);
  // Without a listener no socket can be lost.
  const hasSockets = line.listen.length > 0 || started.kind === 'package_manager';
  const refusal = hasSockets ? refusalOf('run', started, line.listen) : null;
  return refusal ?? commandLineConfig(loadsModule(started) ? preloaded(line) : line);
}

/** Adds the module that lets an unchanged Node program use its sockets. */
function preloaded(line: CommandLine): CommandLine & Pick<RunArguments, 'environment'> {
  if (line.listen.length === 0) return line;
  const value = withToken(process.env.NODE_OPTIONS, registerToken(false));
  return { ...line, environment: [{ key: 'NODE_OPTIONS', value }] };
}

function commandLineConfig(line: RunArguments): ConfigSource {
  // Relative entries of PATH are resolved against the user's working directory.
  const directory = directoryAsGiven();
  const find = (name: string) => findCommand(name, process.env.PATH, directory);
  const result = configFromArguments(line, find);
  if ('problems' in result) throw new ConfigError(result.problems.map(formatProblem));
  return fixedConfig(result.config, { kind: 'arguments', arguments: line, directory });
}
