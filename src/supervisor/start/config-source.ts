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
  /** The absolute path as the user gave it, with its symlinks. */
  readonly path: string;
}

/** The source of a config, from which another supervisor can make the same config. */
export type ConfigSnapshot =
  /** The text of a file. `path` is absolute. */
  | { readonly kind: 'file'; readonly path: string; readonly text: string }
  /** `directory`: the base of relative entries of PATH. */
  | { readonly kind: 'arguments'; readonly arguments: RunArguments; readonly directory: string };

/** The source of the config: a file that is read for each handover, or fixed arguments. */
export interface ConfigSource {
  /** The path of the file; null for a service from command line arguments. */
  readonly file: string | null;
  /**
   * The file that was read last. null before the first reading, for arguments, and for a file that is not regular, such
   * as a pipe.
   */
  readonly read: ConfigFile | null;
  /** The source of the last loaded config; null before the first one. */
  readonly snapshot: ConfigSnapshot | null;
  /** @throws ConfigError with every problem */
  load(): Config;
}

/** An unusable config. Has one line per problem: `file:line:column: message` if the problem has a position. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/**
 * A config file, read again for every handover.
 * @param directory the base of a relative name
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
      // A pipe has no name, so no other user can open it for writing.
      const open = result.identity === null ? [] : openFiles([configAsFile(absolute)]);
      if (open.length > 0) throw new ConfigError(open.map(({ message }) => message));
      read = result.identity && { path: absolute, ...result.identity };
      return result.config;
    },
  };
}

// Remembers the last result. Most reloads are for a new release under the same config. Parsing is pure and takes half
// of the time until the candidate runs.
function rememberingParse(): typeof parseConfig {
  let last: { text: string; result: ReturnType<typeof parseConfig> } | null = null;
  return (text, file) => {
    if (last?.text !== text) last = { text, result: parseConfig(text, file) };
    return last.result;
  };
}

/** A config from command line arguments. */
export function fixedConfig(
  config: Config,
  snapshot: Extract<ConfigSnapshot, { kind: 'arguments' }>,
): ConfigSource {
  return { file: null, read: null, snapshot, load: () => config };
}
