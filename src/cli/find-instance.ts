import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { parseInstanceName } from '../config/values/names.ts';
import { ClientError } from '../control/client-error.ts';
import { userName } from '../linux/users.ts';
import { directoryAsGiven } from '../service/as-given.ts';
import { controlSocketIn } from '../supervisor/instance/instance.ts';
import { type InstanceRoot, instanceRootsFor, processOwner } from '../supervisor/instance/instance-roots.ts';
import type { leftBehindIn } from '../supervisor/instance/left-behind.ts';
import { CommandError, EXIT } from './exit-code.ts';
import { clientOf } from './instances/client.ts';
import { instancesIn, startedFrom, type WantedFile, wantedFile } from './instances/find.ts';
import { type Instance, readInstance } from './instances/record.ts';

/** How an instance was specified on the command line. */
export interface InstanceOptions {
  readonly config?: string;
  readonly name?: string;
}

/** The same options as arguments for another command, with a leading space. */
export function instanceArguments({ config, name }: InstanceOptions): string {
  return `${config === undefined ? '' : ` --config ${config}`}${name === undefined ? '' : ` --name ${name}`}`;
}

export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  /** The directories that can contain instances. */
  readonly roots: readonly InstanceRoot[];
  /** The working directory by both of its names: with symlinks as the user entered it, and without symlinks. */
  readonly folders: readonly string[];
}

export function here(): Surroundings {
  const owner = processOwner();
  const folders = [...new Set([directoryAsGiven(), process.cwd()])];
  return { environment: owner.environment, uid: owner.uid, roots: instanceRootsFor(owner), folders };
}

const DEFAULT_CONFIG = 'zero.yaml';

/** Milliseconds for each instance to answer when several are asked. */
const PATIENCE = 1000;

/**
 * The instance that the command acts on: from `--config`, `--name`, $ZERO_CONFIG or ./zero.yaml, otherwise the only
 * running instance. If its control socket does not answer, it is not running.
 * @param guess false: the user must specify the instance
 * @throws CommandError
 */
export async function findInstance(
  { config, name }: InstanceOptions,
  guess: boolean,
  surroundings: Surroundings = here(),
): Promise<Instance> {
  if (config !== undefined && name !== undefined)
    throw new CommandError(EXIT.usage, '--config and --name both specify an instance. Use one of them.');
  if (name !== undefined) return instanceNamed(name, surroundings);
  const file = specifiedFile({ ...(config !== undefined && { config }) }, surroundings);
  if (file !== null) return instanceOfFile(file, surroundings);
  if (guess) return theOnlyOne(surroundings);
  throw new CommandError(
    EXIT.usage,
    'no instance specified. Use --name NAME, --config FILE or $ZERO_CONFIG, or run this in the directory of a zero.yaml.',
  );
}

/** The config file that specifies the instance, as the user wrote it; null if something else specifies it. */
export function specifiedFile(
  { config, name }: InstanceOptions,
  { environment, folders: [folder = ''] }: Surroundings = here(),
): string | null {
  if (name !== undefined) return null;
  const hasDefault = existsSync(path.join(folder, DEFAULT_CONFIG));
  return config ?? (environment.ZERO_CONFIG || (hasDefault ? DEFAULT_CONFIG : null));
}

/** The error of a command whose instance is not running. */
export function notRunning(
  { name, configFile, controlSocket }: Instance,
  left: Awaited<ReturnType<typeof leftBehindIn>> = null,
): CommandError {
  const start = configFile == null ? '' : `Start it with: zero --config ${configFile.path}`;
  if (left !== null && 'running' in left) {
    const pids = left.running.join(' ');
    const why = `zero (pid ${left.pid}) has died, and its service still runs (pids ${pids}).`;
    const stop = `Stop the service with: zero stop --name ${name}`;
    const next = start === '' ? stop : `${start}. ${stop}`;
    return new CommandError(EXIT.noInstance, `instance ${name} is not running: ${why} ${next}`);
  }
  const why = `no zero is listening on ${controlSocket}`;
  const next = start === '' ? '' : ` ${start}`;
  return new CommandError(EXIT.noInstance, `instance ${name} is not running: ${why}.${next}`);
}

async function instanceNamed(name: string, surroundings: Surroundings): Promise<Instance> {
  const parsed = parseInstanceName(name);
  if ('problem' in parsed) throw new CommandError(EXIT.usage, `--name ${parsed.problem}`);
  const found = instancesIn(surroundings.roots).filter((instance) => instance.name === name);
  if (found.length === 0) throw noInstance(`no instance with the name ${name} is running`, surroundings);
  return chooseFrom(found, `the name ${name}`, surroundings);
}

async function instanceOfFile(file: string, surroundings: Surroundings): Promise<Instance> {
  const wanted = wantedFile(file, surroundings.folders);
  const found = instancesIn(surroundings.roots).map((instance) => ({
    instance,
    how: startedFrom(instance, wanted),
  }));
  const byPath = found.flatMap(({ instance, how }) => (how === 'path' ? [instance] : []));
  const byFile = found.flatMap(({ instance, how }) => (how === 'file' ? [instance] : []));
  // Prefers the supervisor that was started with this path, because it reads this path at the next reload.
  const running = byFile.length === 0 ? byPath : await runningOnes(byPath);
  const matching = running.length > 0 ? running : [...byFile, ...byPath];
  if (matching.length > 0) return chooseFrom(matching, file, surroundings);
  const configured = await instanceConfiguredIn(wanted);
  if (configured !== null) return configured;
  const missing = wanted.identity === null ? ` (no such file)` : '';
  throw noInstance(`no instance that was started from ${wanted.paths[0]}${missing} is running`, surroundings);
}

/**
 * The instance whose runtime directory or control socket the file sets. This finds a supervisor that could not write
 * its record, or that is older than these records. Null if it is not certain that the instance belongs to this file.
 */
async function instanceConfiguredIn(wanted: WantedFile): Promise<Instance | null> {
  // Loaded on demand: the config parser takes longer to load than the rest of the command.
  const { loadConfig } = await import('../config/load.ts');
  const loaded = loadConfig(wanted.paths[0] ?? '');
  if ('problems' in loaded) return null;
  const { application, service } = loaded.config;
  const directory = application.runtime_directory && path.resolve(application.runtime_directory);
  const known = directory === undefined ? null : readInstance(directory, null);
  if (known !== null && known.configFile !== undefined) return startedFrom(known, wanted) && known;
  const socket = application.control.path ?? (directory && controlSocketIn(directory));
  const found = socket === undefined ? undefined : statSync(socket, { throwIfNoEntry: false });
  if (socket === undefined || found === undefined) return null;
  const { uid } = found;
  const controlSocket = path.resolve(socket);
  const runtimeDirectory = directory ?? path.dirname(controlSocket);
  const name = service.runtime.name ?? path.basename(runtimeDirectory);
  return { name, uid, runtimeDirectory, controlSocket, configFile: undefined, pid: null };
}

/**
 * Chooses the instance of this user from several running ones. root may act on the instances of all users, but prefers
 * its own.
 */
async function chooseFrom(
  found: readonly Instance[],
  what: string,
  surroundings: Surroundings,
): Promise<Instance> {
  const [first, ...others] = found;
  if (first !== undefined && others.length === 0) return first;
  const running = await runningOnes(found);
  const own = running.filter(({ uid }) => uid === surroundings.uid);
  const [one, ...more] = own.length > 0 ? own : running;
  if (one === undefined) throw noInstance(`no instance for ${what} is running`, surroundings);
  if (more.length > 0) throw ambiguous(`more than one instance for ${what} is running`, [one, ...more]);
  return one;
}

async function theOnlyOne(surroundings: Surroundings): Promise<Instance> {
  const found = instancesIn(surroundings.roots);
  const states = await Promise.all(
    found.map(async (instance) => ({ instance, state: await stateOf(instance) })),
  );
  const running = states.filter(({ state }) => state !== 'no_instance');
  const usable = running.filter(({ state }) => state !== 'denied' && state !== 'untrusted');
  const [first, ...others] = (usable.length > 0 ? usable : running).map(({ instance }) => instance);
  if (first === undefined) throw noInstance('no instance is running', surroundings);
  if (others.length > 0) throw ambiguous('more than one instance is running', [first, ...others]);
  return first;
}

async function runningOnes(instances: readonly Instance[]): Promise<Instance[]> {
  const states = await Promise.all(instances.map(stateOf));
  return instances.filter((_, index) => states[index] !== 'no_instance');
}

/** Whether a supervisor answers there. */
async function stateOf(instance: Instance): Promise<'running' | ClientError['problem']> {
  try {
    await clientOf(instance, PATIENCE).status();
    return 'running';
  } catch (error) {
    if (error instanceof ClientError) return error.problem;
    throw error;
  }
}

function noInstance(what: string, { roots }: Surroundings): CommandError {
  const looked = roots.map(({ directory }) => directory).join(', ');
  return new CommandError(EXIT.noInstance, `${what}. Looked in ${looked}. "zero list" shows all instances.`);
}

function ambiguous(what: string, instances: readonly Instance[]): CommandError {
  const hasUsers = new Set(instances.map(({ uid }) => uid)).size > 1;
  const named = instances.map(({ name, uid }) => (hasUsers ? `${name} of user ${userName(uid)}` : name));
  const isUnique = new Set(instances.map(({ name }) => name)).size === instances.length;
  const advice = isUnique ? 'Choose one with --name NAME.' : 'Run the command as the user of the instance.';
  return new CommandError(EXIT.usage, `${what}: ${named.join(', ')}. ${advice}`);
}
