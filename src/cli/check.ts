import path from 'node:path';
import {
  type Config,
  type Finding,
  formatProblem,
  loadConfig,
  locateConfig,
  printConfig,
  wrongValue,
} from '../config/index.ts';
import { descriptorLimit } from '../linux/limits.ts';
import { directoryAsGiven } from '../service/as-given.ts';
import type { Origin } from '../supervisor/instance/default-name.ts';
import { InstanceError, instanceOf } from '../supervisor/instance/instance.ts';
import { checkMachine } from '../supervisor/start/config-check.ts';
import { lostSockets, whatStarts } from './node-command.ts';

/**
 * `zero check`: reads the config and reports all problems, one `file:line:column: message` per line, errors on standard
 * output and warnings on standard error. A warning is about something that may still change before the start, such as a
 * missing file.
 * @param config the file; undefined for the default of `zero`
 * @param print print the config with all defaults instead of `ok`
 * @param out receives errors, `ok` and the config of `print`
 * @param warn receives warnings
 * @returns the exit code: 0, or 1 if there is an error
 */
export function check(
  config: string | undefined,
  print: boolean,
  out: (text: string) => void = (text) => process.stdout.write(text),
  warn: (text: string) => void = (text) => process.stderr.write(text),
): number {
  const file = locateConfig(config);
  const loaded = loadConfig(file);
  if ('problems' in loaded) {
    for (const problem of loaded.problems) out(`${formatProblem(problem)}\n`);
    return 1;
  }
  const folder = directoryAsGiven();
  const origin = { file: loaded.identity && path.resolve(folder, file), folder };
  const { errors, warnings } = checkMachine(loaded.config, origin);
  for (const error of errors) out(`${formatProblem(loaded.locate(error))}\n`);
  for (const warning of [...warnings, ...commandWarnings(loaded.config)]) {
    const { message, ...place } = loaded.locate(warning);
    warn(`${formatProblem({ ...place, message: `warning: ${message}` })}\n`);
  }
  if (errors.length > 0) return 1;
  try {
    out(print ? printed(loaded.config, origin) : `${file}: ok\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof InstanceError)) throw error;
    out(`${file}: ${error.message}\n`);
    return 1;
  }
}

/** Warns if the command is a program that does not pass its sockets to the service. */
function commandWarnings({ service: { listeners, runtime } }: Config): Finding[] {
  if (listeners.length === 0) return [];
  const lost = lostSockets(whatStarts([runtime.path, ...runtime.args], path.resolve(runtime.directory)));
  if (lost === null) return [];
  return [wrongValue(['service', 'runtime', 'path'], `${lost.why}. Start this instead: ${lost.instead}`)];
}

function printed(config: Config, origin: Origin): string {
  const { application, service } = config;
  const { name, runtimeDirectory, dataDirectory } = instanceOf(config, origin);
  const runtime = { ...service.runtime, name };
  const directories = { runtime_directory: runtimeDirectory, data_directory: dataDirectory };
  const whole = { application: { ...application, ...directories }, service: { ...service, runtime } };
  return printConfig(whole) + limitNote(config);
}

/** The one default that depends on the environment in which zero is started. */
function limitNote({ service }: Config): string {
  const limit = service.runtime.limits.nofile === undefined ? descriptorLimit() : null;
  if (limit === null) return '';
  return (
    `# limits.nofile is not set: a service that zero starts from here may have ${limit.soft} open descriptors\n` +
    `# (soft limit; hard limit ${limit.hard}). zero's soft limit is the hard one, because Node raises it.\n`
  );
}
