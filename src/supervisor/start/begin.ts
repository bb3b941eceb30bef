import path from 'node:path';
import { type Config, configFromArguments } from '../../config/index.ts';
import type { Fact } from '../../lifecycle/facts.ts';
import { servingGeneration } from '../../lifecycle/state.ts';
import { readOwnFile } from '../../linux/files/own-files.ts';
import { rawEnvironment } from '../../linux/procfs.ts';
import { claimInstance } from '../instance/claim.ts';
import { chooseInstance, hasHistory } from '../instance/earlier-name.ts';
import { type Instance, InstanceError, instanceNamed } from '../instance/instance.ts';
import { findDead } from '../recovery/find-dead.ts';
import type { Recovered } from '../recovery/recovered.ts';
import { configOf } from '../recovery/restore-prepared.ts';
import { type Handed, withoutHanded } from '../upgrade/handed.ts';
import { ConfigError, type ConfigSource } from './config-source.ts';
import { type Restarted, withoutRestart } from './restarted.ts';

/** The data that a supervisor begins with. */
export interface Beginning {
  readonly config: Config;
  readonly instance: Instance;
  /** The descriptor of the instance's lock. */
  readonly lock: number;
  /** zero's own environment. */
  readonly environment: readonly Buffer[];
  /** The service of a dead supervisor to continue; null: zero starts a new one. */
  readonly recovered: Recovered | null;
  readonly notes: readonly Fact[];
  /** The working directory as the user who started the service saw it, with its symlinks. */
  readonly folder: string;
}

/** An instance that is identified by its runtime directory, independent of the config. */
export type KnownInstance = Pick<Instance, 'name' | 'runtimeDirectory'>;

/**
 * Reads the config, takes the lock of its instance, and searches for the service of a dead supervisor. zero continues
 * that service even if its config is now unreadable or describes another instance.
 * @param known the instance to continue; null: the config determines the instance
 * @param folder the working directory as the user sees it, with its symlinks
 * @throws ConfigError, InstanceError
 */
export async function begin(
  source: ConfigSource,
  {
    restarted,
    handed,
    known,
    folder,
  }: {
    readonly restarted: Restarted | null;
    /** The handed over data of the previous program in this process; null if this process was started anew. */
    readonly handed: Handed | null;
    readonly known: KnownInstance | null;
    readonly folder: string;
  },
): Promise<Beginning> {
  const before = handed ?? restarted;
  const continued = known ?? (before && instanceIn(before.runtimeDirectory));
  const today = configToday(source);
  const chosen =
    today instanceof ConfigError ? null : chooseInstance(today, { file: source.read?.path ?? null, folder });
  if (continued && chosen?.instance.runtimeDirectory !== continued.runtimeDirectory)
    return continueKnown(continued, today, { restarted, handed, folder });
  if (today instanceof ConfigError) throw today;
  if (chosen === null) throw new TypeError('a config without an instance');
  const { instance, message } = chosen;
  const { lock, isNew } =
    handed === null
      ? await claimInstance(instance, source.file === null ? '--name' : 'runtime.name')
      : { ...handed, isNew: false };
  const wasDeleted = isNew && hasHistory(instance);
  const found = await findDead(instance, { restarted, handed, wasDeleted });
  if ('refusal' in found) throw new InstanceError(found.refusal);
  const recovered = 'recovered' in found ? found.recovered : null;
  const named: readonly Fact[] = message === null ? [] : [{ event: 'warning', about: 'name', message }];
  const notes = [...named, ...('recovered' in found ? found.recovered.notes : found.notes)];
  return {
    config: today,
    instance,
    lock,
    recovered,
    notes,
    environment: environmentOf(recovered, restarted, known),
    folder: folderOf(recovered, known, folder),
  };
}

/** Continues a service without the current config, with the config that the service was started with. */
async function continueKnown(
  known: KnownInstance,
  today: Config | ConfigError,
  {
    restarted,
    handed,
    folder,
  }: {
    readonly restarted: Restarted | null;
    readonly handed: Handed | null;
    readonly folder: string;
  },
): Promise<Beginning> {
  // The config, which is not known yet, sets the data directory.
  const unknown = { ...known, dataDirectory: known.runtimeDirectory };
  const { lock } = handed ?? (await claimInstance(unknown, 'runtime.name'));
  const found = await findDead(known, { restarted, handed, wasDeleted: false });
  if ('refusal' in found) throw new InstanceError(found.refusal);
  const because =
    today instanceof ConfigError
      ? today.message
      : 'the config describes another instance (runtime.name or application.runtime_directory)';
  if (!('recovered' in found)) throw today instanceof ConfigError ? today : new InstanceError(because);
  const { recovered } = found;
  const config = configOfDead(recovered) ?? (today instanceof ConfigError ? standIn(recovered) : today);
  const message = `${because}. zero continues the service of instance ${known.name} with the config that it was started with. Correct the config and run "zero reload", or stop this instance.`;
  return {
    config,
    instance: { ...instanceNamed(known.name, config), ...known },
    lock,
    recovered,
    // A command that stops the service needs no config, so it needs no warning.
    notes: [
      ...(restarted ? [{ event: 'warning', about: 'config', message } as const] : []),
      ...recovered.notes,
    ],
    environment: environmentOf(recovered, restarted, known),
    folder: folderOf(recovered, known, folder),
  };
}

/** A command that stops a service may run in any directory. */
function folderOf(recovered: Recovered | null, known: KnownInstance | null, folder: string): string {
  return (known && recovered?.memos?.supervisor.directory) ?? folder;
}

function configToday(source: ConfigSource): Config | ConfigError {
  try {
    return source.load();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
}

/** The instance whose supervisor wrote the state in a directory; null if the state is unreadable. */
function instanceIn(runtimeDirectory: string): KnownInstance | null {
  try {
    const { instance } = JSON.parse(readOwnFile(path.join(runtimeDirectory, 'state.json')));
    return typeof instance === 'string' ? { name: instance, runtimeDirectory } : null;
  } catch {
    return null;
  }
}

/** The config of the generation that serves, otherwise of the newest generation with a known config. */
function configOfDead({ state, memos }: Recovered): Config | null {
  const serving = servingGeneration(state);
  const all = memos?.generations ?? [];
  const memo = all.find(({ generation }) => generation === serving) ?? all.at(-1);
  try {
    return memo ? configOf(memo.source) : null;
  } catch (error) {
    if (error instanceof ConfigError) return null;
    throw error;
  }
}

/** A config for a service whose own config is unknown: enough to stop the service. */
function standIn({ state }: Recovered): Config {
  const command = [state.generations.at(-1)?.settings.path ?? '/bin/true'];
  const made = configFromArguments({ listen: [], command }, (name) => name);
  if ('problems' in made) throw new ConfigError(['no config']);
  return made.config;
}

/** The shell of a keeper drops variables with names that are not valid in a shell (POSIX, 2.5.3). */
function environmentOf(
  recovered: Recovered | null,
  restarted: Restarted | null,
  known: KnownInstance | null,
): readonly Buffer[] {
  const own = withoutHanded(rawEnvironment());
  if (restarted === null && known === null) return own;
  return recovered?.memos?.supervisor.environment ?? withoutRestart(own);
}
