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

/** Everything that a new generation needs, found and bound before its first process is started. */
export interface Prepared {
  readonly config: Config;
  readonly settings: Settings;
  readonly release: Release;
  readonly user: TargetUser | null;
  readonly acquired: Acquired;
  /** What it runs, as the history has it: of an earlier release as that was. */
  readonly record: ReleaseRecord;
  /** The generation whose release it is; null for what the config says. */
  readonly rollbackTo: number | null;
  /** The name that the release had then; null for what the config says, and where it had none. */
  readonly label: string | null;
  /** A descriptor of the executable, for the copy that is kept when it has served; null where it cannot be read or need not be kept. */
  readonly source: number | null;
  /** What the config was made from; null for what a supervisor continues from without it. */
  readonly snapshot: ConfigSnapshot | null;
  /** The earlier release that it runs; null for what the config says. */
  readonly earlier: Earlier | null;
  /** Lets go of what is held for it; harmless twice. */
  readonly close: () => void;
}

export interface PrepareContext {
  readonly listeners: ListenerSet;
  /** zero's own environment, from its start. */
  readonly environment: readonly Buffer[];
  readonly startDirectory: string;
  /** Finds the earlier release that this is a handover to; null for what the config says. Throws RollbackError. */
  readonly earlier: () => Promise<Earlier | null>;
  /** Gets the files that the user of the service could change, each time; none where there are none. */
  readonly remark: (files: readonly OpenFile[]) => void;
}

/**
 * Reads the config, finds the release and binds the listeners: what can be known to fail fails here, and nothing has changed then.
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

/** What the generation would execute, and the settings that it reads. */
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

/** The listeners as a config is given them. */
export function listenersOf({ service }: Config): readonly ListenerConfig[] {
  // What the service as a whole rules out, such as nginx under a Unix socket's other name, the listener alone cannot know.
  return service.listeners.map((listener) =>
    isSteered(listener, service) ? listener : { ...listener, steer: false as const },
  );
}

/** Binds the listeners of a config, or takes a reference on those that are bound. Rejects with ListenerError. */
export function acquireFor(config: Config, settings: Settings, listeners: ListenerSet): Promise<Acquired> {
  const { steered, maxRetiring } = settings.handover;
  const lanes = steered ? lanesNeeded(settings.workers, maxRetiring) : 0;
  return listeners.acquire(listenersOf(config), lanes);
}

/** The kernel may refuse to steer where the config leaves that to zero: then all generations share the sockets. */
function asAcquired(wanted: Settings, { listeners }: Acquired): Settings {
  if (!wanted.handover.steered || listeners.some(({ steered }) => steered)) return wanted;
  const gates = wanted.gates.filter((gate) => gate !== 'accept');
  return { ...wanted, gates, handover: { ...wanted.handover, steered: false } };
}

/** A config with what an earlier generation ran. */
export function withRelease(
  config: Config,
  { executable, directory, record }: Pick<Earlier, 'executable' | 'directory' | 'record'>,
): Config {
  const { service } = config;
  const runtime = { ...service.runtime, path: executable, args: [...record.args], directory };
  return { ...config, service: { ...service, runtime } };
}
