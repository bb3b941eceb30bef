import path from 'node:path';
import {
  type Config,
  type FileIdentity,
  formatProblem,
  loadConfig,
  parseConfig,
  type RunArguments,
} from '../../config/index.ts';
import { directoryAsGiven } from '../../service/as-given.ts';
import { configAsFile, openFiles } from '../run/trusted-files.ts';

/** The config file that an instance was started from. */
export interface ConfigFile extends FileIdentity {
  /** Absolute, as it was given: its symlinks are not followed. */
  readonly path: string;
}

/** What a config was made from, so that another supervisor can make the same one. */
export type ConfigSnapshot =
  /** The text of a file. `path` is absolute. */
  | { readonly kind: 'file'; readonly path: string; readonly text: string }
  /** `directory`: where a relative entry of PATH begins. */
  | { readonly kind: 'arguments'; readonly arguments: RunArguments; readonly directory: string };

/** Where the config comes from, each time it is wanted: a file that is read again, or arguments that stay as they are. */
export interface ConfigSource {
  /** The file's path; null for a service given as arguments. */
  readonly file: string | null;
  /** The file that was read last; null before, and for arguments and files that are not regular, such as a pipe. */
  readonly read: ConfigFile | null;
  /** What the config was made from that was loaded last; null before the first one. */
  readonly snapshot: ConfigSnapshot | null;
  /** @throws ConfigError with every problem */
  load(): Config;
}

/** A config that cannot be used: one line for each problem, `file:line:column: message` where it has a place. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/**
 * A config file, read anew for every handover.
 * @param directory where a relative name begins
 */
export function configFile(file: string, directory: string = directoryAsGiven()): ConfigSource {
  let text: string | null = null;
  const remembering = rememberingParse();
  const parse: typeof parseConfig = (content, name) => {
    text = content;
    return remembering(content, name);
  };
  const absolute = path.resolve(directory, file);
  let read: ConfigFile | null = null;
  return {
    file,
    get read() {
      return read;
    },
    get snapshot() {
      return text === null ? null : ({ kind: 'file', path: absolute, text } as const);
    },
    load() {
      const result = loadConfig(file, parse, absolute);
      if ('problems' in result) throw new ConfigError(result.problems.map(formatProblem));
      // A pipe has no name that somebody could write to.
      const open = result.identity === null ? [] : openFiles([configAsFile(absolute)]);
      if (open.length > 0) throw new ConfigError(open.map(({ message }) => message));
      read = result.identity && { path: absolute, ...result.identity };
      return result.config;
    },
  };
}

// Most reloads are for a new release under the same config. Parsing is pure, and half of the time until the candidate runs.
function rememberingParse(): typeof parseConfig {
  let last: { text: string; result: ReturnType<typeof parseConfig> } | null = null;
  return (text, file) => {
    if (last?.text !== text) last = { text, result: parseConfig(text, file) };
    return last.result;
  };
}

/** A config that was given as arguments. */
export function fixedConfig(
  config: Config,
  snapshot: Extract<ConfigSnapshot, { kind: 'arguments' }>,
): ConfigSource {
  return { file: null, read: null, snapshot, load: () => config };
}
