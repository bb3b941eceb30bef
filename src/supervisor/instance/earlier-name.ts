import { existsSync, realpathSync } from 'node:fs';
import path from 'node:path';
import type { Config } from '../../config/index.ts';
import { instanceNameFrom } from '../../config/values/names.ts';
import { HistoryFile } from '../../history/file.ts';
import type { ReleaseRecord } from '../../history/release-record.ts';
import { type Origin, type ServiceCommand, subjectOf } from './default-name.ts';
import { type Instance, instanceNamed, instanceOf } from './instance.ts';

/** An instance, and remarks on the choice of its name. */
export interface Chosen {
  readonly instance: Instance;
  readonly message: string | null;
}

/**
 * The instance that a config describes. Earlier versions of zero named an instance without a name after its executable,
 * so several services could share a history. A service keeps such a name if the history contains this service alone.
 * @param origin the source of the config
 */
export function chooseInstance(config: Config, origin: Origin): Chosen {
  const { runtime } = config.service;
  const instance = instanceOf(config, origin);
  if (runtime.name !== undefined) return { instance, message: null };
  const earlier = instanceNamed(instanceNameFrom(path.basename(runtime.path)), config);
  const isElsewhere = earlier.dataDirectory !== instance.dataDirectory;
  if (!isElsewhere || hasHistory(instance) || !hasHistory(earlier)) return { instance, message: null };
  const releases = releasesOf(earlier);
  const own = resolved(runtime, origin.folder);
  if (releases.length > 0 && releases.every((release) => isSameService(release, own))) {
    return {
      instance: earlier,
      message: `the history of this service in ${earlier.dataDirectory} is continued under its earlier name, ${earlier.name}. Set runtime.name to choose a name.`,
    };
  }
  if (!releases.some(({ directory }) => realPath(directory) === own.directory))
    return { instance, message: null };
  return {
    instance,
    message: `a new history is started under the name ${instance.name}, because ${earlier.dataDirectory} has other services or releases as well. To continue that history, set the name ${earlier.name} (runtime.name, or --name of zero run).`,
  };
}

/**
 * Whether the history of a name contains only services in other directories. Throws InstanceError if the default data
 * directory is unknown.
 */
export function isUsedElsewhere(name: string, config: Config, directory: string): boolean {
  const instance = instanceNamed(name, config);
  const releases = hasHistory(instance) ? releasesOf(instance) : [];
  return (
    releases.length > 0 && !releases.some((release) => realPath(release.directory) === realPath(directory))
  );
}

/** Whether the data directory shows that an instance has run before. */
export function hasHistory({ dataDirectory }: Instance): boolean {
  return existsSync(path.join(dataDirectory, 'history.jsonl'));
}

function releasesOf({ dataDirectory }: Instance): ReleaseRecord[] {
  const ignore = () => {};
  const file = new HistoryFile(dataDirectory, {
    clock: Date.now,
    failed: ignore,
    recovered: ignore,
    warn: ignore,
  });
  return file.read().lines.flatMap((line) => (line.event === 'generation' ? [line.release] : []));
}

/** The command with resolved paths, as in the history. */
function resolved({ path: program, args, directory }: ServiceCommand, folder: string): ServiceCommand {
  const at = path.resolve(folder, directory);
  const file = path.resolve(at, program);
  return {
    path: path.join(realPath(path.dirname(file)), path.basename(file)),
    args,
    directory: realPath(at),
  };
}

/** Compares program and directory. The other arguments may change from release to release. */
function isSameService(one: ServiceCommand, other: ServiceCommand): boolean {
  return (
    one.path === other.path &&
    realPath(one.directory) === other.directory &&
    subjectOf(one) === subjectOf(other) &&
    (subjectOf(one) !== null || one.args.join('\0') === other.args.join('\0'))
  );
}

function realPath(file: string): string {
  try {
    return realpathSync.native(file);
  } catch {
    return file;
  }
}
