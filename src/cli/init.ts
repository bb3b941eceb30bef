import { realpathSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { findCommand } from '../common/find-command.ts';
import { isStandalone } from '../common/own-program.ts';
import { shellWord } from '../common/text.ts';
import {
  type Config,
  configFromArguments,
  formatProblem,
  loadConfig,
  locateConfig,
  parseConfig,
} from '../config/index.ts';
import { directoryAsGiven, pathAsGiven } from '../service/as-given.ts';
import { defaultName } from '../supervisor/instance/default-name.ts';
import { isUsedElsewhere } from '../supervisor/instance/earlier-name.ts';
import { InstanceError, instanceOf } from '../supervisor/instance/instance.ts';
import { executableAsGiven } from '../supervisor/start/own-command.ts';
import { EXIT } from './exit-code.ts';
import { configText } from './init/config-text.ts';
import { guess } from './init/guess.ts';
import { unitText } from './init/unit-text.ts';
import { loadsModule, refusalOf, registerToken, whatStarts } from './node-command.ts';

export interface InitOptions {
  readonly config?: string;
  readonly listen: readonly string[];
  readonly name?: string;
  readonly systemd: boolean;
  readonly command: readonly string[];
}

export interface InitContext {
  readonly folder: string;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** The arguments that start this zero. */
  readonly zero: readonly string[];
}

/** The program and script of this zero, as the user called them; only the executable if it contains Node. */
function zeroAsGiven(): readonly string[] {
  if (isStandalone) return [executableAsGiven()];
  const { argv0, execPath, argv } = process;
  const script = realpathSync(argv[1] ?? '');
  const node = argv0.includes('/') ? path.resolve(argv0) : execPath;
  return [pathAsGiven(execPath, node), pathAsGiven(script, argv[1] ?? script)];
}

const HERE: InitContext = {
  folder: directoryAsGiven(),
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  zero: zeroAsGiven(),
};

const ANYWHERE = 'localhost:8080';

/**
 * `zero init`: writes the config for a command, and with `--systemd` prints a unit for the command or for the existing
 * config. Never overwrites a file. Returns the exit code.
 */
export function init(options: InitOptions, context: InitContext = HERE): number {
  const file = path.resolve(context.folder, locateConfig(options.config));
  const { command, systemd } = options;
  if (command.length === 0 && !systemd) {
    context.err('zero init: no command given. Write: zero init --listen 8080 -- CMD [ARG...]\n');
    return EXIT.usage;
  }
  const code = command.length === 0 ? EXIT.done : write(file, options, context);
  return code === EXIT.done && systemd ? printUnit(file, context) : code;
}

function write(file: string, options: InitOptions, { folder, out, err }: InitContext): number {
  const { command, listen, name, systemd } = options;
  const started = whatStarts(command, folder);
  const refusal = refusalOf('init', started, listen);
  if (refusal !== null) {
    err(`${refusal}\n`);
    return EXIT.usage;
  }
  const guessed = guess(command, folder, listen);
  const found = guessed.addresses.length > 0 ? guessed.addresses : [ANYWHERE];
  const addresses = listen.length > 0 ? listen : found;
  const find = (program: string) => findCommand(program, process.env.PATH, folder);
  const given = configFromArguments({ command, listen: addresses, name: name ?? guessed.name }, find);
  if ('problems' in given) {
    for (const problem of given.problems) err(`${formatProblem(problem)}\n`);
    return EXIT.usage;
  }
  const preload = loadsModule(started) ? preloadedToken(err) : null;
  if (preload === undefined) return EXIT.failed;
  const { listeners, runtime } = given.config.service;
  const isFree = name !== undefined || !isTaken(guessed.name, given.config, folder);
  const { path: program, args } = runtime;
  const text = configText({
    ...guessed,
    name: isFree
      ? (runtime.name ?? guessed.name)
      : defaultName({ path: program, args, directory: folder }, { file, folder }),
    directory: folder,
    preload,
    path: runtime.path,
    listen: listeners.map(({ address }) => address.text.replace(/^tcp:/, '')),
    file: path.relative(folder, file),
  });
  const parsed = parseConfig(text, file);
  if ('problems' in parsed) throw new Error(parsed.problems.map(formatProblem).join('\n'));
  try {
    writeFileSync(file, text, { flag: 'wx' });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST') rmSync(file, { force: true });
    const exists = `${file} already exists. Remove it, or choose another file with --config`;
    err(`zero init: ${code === 'EEXIST' ? exists : `write ${file}: ${message}`}\n`);
    return EXIT.failed;
  }
  const changes = guessed.changes.map((change) => `Before you start it: ${change}\n`);
  const written = path.relative(folder, file);
  // Without --config, zero reads this file.
  const isFound = path.resolve(folder, locateConfig(undefined)) === file;
  const start = isFound ? 'zero' : `zero --config ${shellWord(written)}`;
  (systemd ? err : out)(`Wrote ${written}. Review it, then run: ${start}\n${changes.join('')}`);
  return EXIT.done;
}

/** The config outlives a restart of the machine, so the module must too. undefined: the module cannot be written. */
function preloadedToken(err: InitContext['err']): string | undefined {
  try {
    return registerToken(true);
  } catch (error) {
    if (!(error instanceof InstanceError)) throw error;
    err(`zero init: ${error.message}\n`);
    return undefined;
  }
}

/** Without a home directory there is no history to check. zero reports this at its start. */
function isTaken(name: string, config: Config, folder: string): boolean {
  try {
    return isUsedElsewhere(name, config, folder);
  } catch (error) {
    if (error instanceof InstanceError) return false;
    throw error;
  }
}

function printUnit(file: string, { folder, out, err, zero }: InitContext): number {
  const loaded = loadConfig(file);
  if ('problems' in loaded) {
    for (const problem of loaded.problems) err(`${formatProblem(problem)}\n`);
    return EXIT.failed;
  }
  const { name } = instanceOf(loaded.config, { file, folder });
  out(unitText({ ...factsOf(loaded.config), name, zero, config: file }));
  return EXIT.done;
}

/**
 * A reload may take as long as the gates, the canary and the soak together. Processes that remain after a stop are
 * killed after two seconds.
 */
function factsOf({ application, service }: Config) {
  const { options, readiness, handover } = service;
  const steps = handover.canary?.steps ?? [];
  const watched = steps.reduce((sum, step) => sum + step.for, 0) + handover.soak;
  return {
    stopTimeout: options.shutdown_timeout === 0 ? null : options.shutdown_timeout + 5_000,
    startTimeout: readiness.timeout + options.reload_uptime + watched + 30_000,
    ownRuntimeDirectory: application.runtime_directory === undefined,
    ownDataDirectory: application.data_directory === undefined,
  };
}
