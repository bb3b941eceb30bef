import { readdirSync } from 'node:fs';
import path from 'node:path';
import { formatProblem, loadConfig } from '../config/index.ts';
import { parseInstanceName } from '../config/values/names.ts';
import { type ControlClient, controlClient } from '../control/client.ts';
import { ClientError } from '../control/client-error.ts';
import { controlSocketIn, controlSocketOf, runtimeRoots } from '../supervisor/instance.ts';
import { CommandError } from './command-error.ts';
import { EXIT } from './exit-code.ts';
import { version } from './version.ts';

/** How an instance was named on the command line. */
export interface InstanceOptions {
  readonly config?: string;
  readonly name?: string;
}

/** The same words for another command, with a blank in front. */
export function instanceArguments({ config, name }: InstanceOptions): string {
  return `${config === undefined ? '' : ` --config ${config}`}${name === undefined ? '' : ` --name ${name}`}`;
}

export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Folders with one folder for each instance. */
  readonly roots: readonly string[];
}

const HERE: Surroundings = { environment: process.env, roots: runtimeRoots() };

/**
 * The control socket of the instance that is meant: of `--config`, `--name` or $ZERO_CONFIG, else of the only one that runs.
 * @param guess false: it must be said which one
 * @throws CommandError
 */
export async function findInstance(
  { config, name }: InstanceOptions,
  guess: boolean,
  { environment, roots }: Surroundings = HERE,
): Promise<string> {
  if (config !== undefined && name !== undefined) {
    throw new CommandError(EXIT.usage, '--config and --name name an instance each: give one of them');
  }
  if (config !== undefined) return socketOfConfig(config);
  if (name !== undefined) return socketOfName(name, roots);
  if (environment.ZERO_CONFIG) return socketOfConfig(environment.ZERO_CONFIG);
  if (!guess) {
    throw new CommandError(EXIT.usage, 'say which instance: --name NAME, --config FILE or $ZERO_CONFIG');
  }
  return theOnlyOne(roots);
}

function socketOfConfig(file: string): string {
  const loaded = loadConfig(file);
  if ('problems' in loaded) {
    const problems = loaded.problems.map(formatProblem).join('\n');
    throw new CommandError(
      EXIT.failed,
      `${problems}\nthe instance cannot be told from this config: name it with --name`,
    );
  }
  return controlSocketOf(loaded.config).path;
}

function socketOfName(name: string, roots: readonly string[]): string {
  const parsed = parseInstanceName(name);
  if ('problem' in parsed) throw new CommandError(EXIT.usage, `--name ${parsed.problem}`);
  const found = roots.find((root) => namesIn(root).includes(name)) ?? roots[0];
  return controlSocketIn(path.join(found ?? '', name));
}

async function theOnlyOne(roots: readonly string[]): Promise<string> {
  const candidates = roots.flatMap((root) =>
    namesIn(root).map((name) => ({ name, socket: controlSocketIn(path.join(root, name)) })),
  );
  const states = await Promise.all(
    candidates.map(async (candidate) => ({ ...candidate, state: await stateOf(candidate.socket) })),
  );
  const running = states.filter(({ state }) => state !== 'no_instance');
  const usable = running.filter(({ state }) => state !== 'denied' && state !== 'untrusted');
  const [first, second] = usable.length > 0 ? usable : running;
  if (first === undefined) {
    const places = roots.join(' and ');
    throw new CommandError(
      EXIT.noInstance,
      `no zero runs: looked into ${places}; one with a runtime_directory or control.path of its own is found by --config FILE`,
    );
  }
  if (second !== undefined) {
    const names = (usable.length > 0 ? usable : running).map(({ name }) => name).join(', ');
    throw new CommandError(EXIT.usage, `several instances run: ${names}: say which with --name NAME`);
  }
  return first.socket;
}

function namesIn(root: string): string[] {
  try {
    return readdirSync(root).sort();
  } catch {
    return [];
  }
}

/** Whether somebody answers there. */
async function stateOf(socket: string): Promise<'running' | ClientError['problem']> {
  const client: ControlClient = controlClient({ path: socket, version, patience: 1000 });
  try {
    await client.status();
    return 'running';
  } catch (error) {
    if (error instanceof ClientError) return error.problem;
    throw error;
  }
}
