import type { Config, ListenerConfig } from '../../config/index.ts';
import { isSteered } from '../../config/steering.ts';
import { type Earlier, RollbackError } from '../../history/choose.ts';
import type { ReleaseRecord } from '../../history/release-record.ts';
import type { Failure } from '../../lifecycle/facts.ts';
import { lanesNeeded } from '../../lifecycle/lane.ts';
import type { Settings } from '../../lifecycle/settings.ts';
import { ListenerError } from '../../listeners/listener-error.ts';
import type { ListenerSet } from '../../listeners/listener-set.ts';
import type { Acquired } from '../../listeners/listeners.ts';
import { type Release, resolveRelease } from '../../workers/spawning/release.ts';
import { ReleaseError } from '../../workers/spawning/release-error.ts';
import { resolveUser, type TargetUser } from '../../workers/spawning/target-user.ts';
import { explainListenerError } from '../instance/holding-instance.ts';
import { outputProblem } from '../observe/output-directory.ts';
import { ConfigError, type ConfigSnapshot, type ConfigSource } from '../start/config-source.ts';
import { hookProblem } from './hook-runner.ts';
import { openExecutable, recordOf } from './release-file.ts';
import { type Running, restartNeeded, settingsOf } from './settings.ts';
import {
  configAsFile,
  type ObeyedFile,
  type OpenFile,
  obeyedFiles,
  openFileFailure,
  serviceOpenFiles,
} from './trusted-files.ts';

/** Everything that a new generation needs, found and bound before zero starts its first process. */
export interface Prepared {
  readonly config: Config;
  readonly settings: Settings;
  readonly release: Release;
  readonly user: TargetUser | null;
  readonly acquired: Acquired;
  /** The release as the history records it. An earlier release keeps its record. */
  readonly record: ReleaseRecord;
  /** The generation whose release this is; null for the release of the config. */
  readonly rollbackTo: number | null;
  /** The earlier label of the release; null for the release of the config, and for a release without a label. */
  readonly label: string | null;
  /**
   * A descriptor of the executable. zero copies the executable from it after promotion. null if the file cannot be read
   * or needs no copy.
   */
  readonly source: number | null;
  /** The source of the config; null when a supervisor continues without it. */
  readonly snapshot: ConfigSnapshot | null;
  /** The earlier release to run; null for the release of the config. */
  readonly earlier: Earlier | null;
  /** Releases the resources. Idempotent. */
  readonly close: () => void;
}

export interface PrepareContext {
  readonly listeners: ListenerSet;
  /** zero's own environment, from its start. */
  readonly environment: readonly Buffer[];
  readonly startDirectory: string;
  /** Finds the earlier release that the handover targets; null for the release of the config. Throws RollbackError. */
  readonly earlier: () => Promise<Earlier | null>;
  /** Called each time with the files that the user of the service could change; an empty list if there are none. */
  readonly remark: (files: readonly OpenFile[]) => void;
}

/**
 * Reads the config, finds the release and binds the listeners. Every predictable failure happens here, before zero has
 * changed anything.
 * @param running null at the start
 */
export async function prepare(
  source: Pick<ConfigSource, 'load' | 'snapshot' | 'read'>,
  running: Running | null,
  context: PrepareContext,
): Promise<Prepared | Failure> {
  try {
    const today = source.load();
    const { snapshot } = source;
    const fixed = running ? restartNeeded(running, today) : [];
    if (fixed.length > 0) return { step: 'config', reason: fixed.join('; ') };
    const hook = hookProblem(today, context.environment, context.startDirectory);
    if (hook) return hook;
    const output = outputProblem(today);
    if (output) return output;
    const earlier = await context.earlier();
    const { user: name, group } = today.service.runtime;
    const user = resolveUser(name, group);
    const { environment: base, startDirectory } = context;
    const release = resolveRelease(today.service.runtime, { user, base, startDirectory, earlier });
    const config = earlier ? withRelease(today, earlier) : today;
    const files = filesOf(config, release, context);
    const open = openFileFailure(files);
    if (open) return open;
    const { read } = source;
    context.remark(serviceOpenFiles([...(read ? [configAsFile(read.path)] : []), ...files], user));
    const wanted = settingsOf(config, release);
    const acquired = await acquireFor(config, wanted, context.listeners);
    const settings = asAcquired(wanted, acquired);
    const record = earlier?.record ?? recordOf(release, config.service.runtime.args);
    const executable = openExecutable(release, record);
    const close = () => {
      acquired.release();
      executable.close();
    };
    const rollbackTo = earlier?.generation ?? null;
    const label = earlier?.label ?? null;
    const origin = { record, rollbackTo, label, source: executable.fd };
    return { config, settings, release, user, acquired, ...origin, snapshot, earlier, close };
  } catch (error) {
    if (error instanceof ConfigError) return { step: 'config', reason: error.problems.join('; ') };
    if (error instanceof RollbackError) return { step: 'rollback', reason: error.message };
    if (error instanceof ReleaseError) return { step: `release.${error.step}`, reason: error.message };
    if (error instanceof ListenerError)
      return { step: `listener.${error.listener}`, reason: explainListenerError(error) };
    throw error;
  }
}

/** The files that the generation would execute, and the settings files that it reads. */
function filesOf(
  config: Config,
  { path, environment }: Release,
  { environment: base, startDirectory }: PrepareContext,
): ObeyedFile[] {
  const entry = base.find((one) => one.toString('latin1').startsWith('PATH='));
  const ownPath = entry?.toString().slice('PATH='.length);
  const servicePath = environment.get('PATH')?.toString();
  return obeyedFiles(config, { startDirectory, ownPath, servicePath, executable: path });
}

/** The listeners of a config, as the listener set takes them. */
export function listenersOf({ service }: Config): readonly ListenerConfig[] {
  // A listener alone cannot determine whether the service rules out steering, as nginx does under another name of a
  // Unix socket.
  return service.listeners.map((listener) =>
    isSteered(listener, service) ? listener : { ...listener, steer: false as const },
  );
}

/** Binds the listeners of a config, or takes a reference on bound ones. Rejects with ListenerError. */
export function acquireFor(config: Config, settings: Settings, listeners: ListenerSet): Promise<Acquired> {
  const { steered, maxRetiring } = settings.handover;
  const lanes = steered ? lanesNeeded(settings.workers, maxRetiring) : 0;
  return listeners.acquire(listenersOf(config), lanes);
}

/** The kernel may refuse to steer. If the config leaves the choice to zero, all generations then share the sockets. */
function asAcquired(wanted: Settings, { listeners }: Acquired): Settings {
  if (!wanted.handover.steered || listeners.some(({ steered }) => steered)) return wanted;
  const gates = wanted.gates.filter((gate) => gate !== 'accept');
  return { ...wanted, gates, handover: { ...wanted.handover, steered: false } };
}

/** A config with the release of an earlier generation. */
export function withRelease(
  config: Config,
  { executable, directory, record }: Pick<Earlier, 'executable' | 'directory' | 'record'>,
): Config {
  const { service } = config;
  const runtime = { ...service.runtime, path: executable, args: [...record.args], directory };
  return { ...config, service: { ...service, runtime } };
}
