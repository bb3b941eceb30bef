import type { Config } from '../config/index.ts';
import { isSteered } from '../config/steering.ts';
import type { Failure } from '../lifecycle/facts.ts';
import { lanesNeeded } from '../lifecycle/lanes.ts';
import type { Settings } from '../lifecycle/settings.ts';
import { ListenerError } from '../listeners/listener-error.ts';
import type { Acquired, ListenerSet } from '../listeners/listener-set.ts';
import { type Release, resolveRelease } from '../workers/release.ts';
import { ReleaseError } from '../workers/release-error.ts';
import { resolveUser, type TargetUser } from '../workers/target-user.ts';
import { ConfigError, type ConfigSource } from './config-source.ts';
import { restartNeeded, settingsOf } from './settings.ts';

/** Everything that a new generation needs, found and bound before its first process is started. */
export interface Prepared {
  readonly config: Config;
  readonly settings: Settings;
  readonly release: Release;
  readonly user: TargetUser | null;
  readonly acquired: Acquired;
}

export interface PrepareContext {
  readonly listeners: ListenerSet;
  /** zero's own environment, from its start. */
  readonly environment: readonly Buffer[];
}

/**
 * Reads the config, finds the release and binds the listeners: what can be known to fail fails here, and nothing has changed then.
 * @param running the config of the supervisor as it was started, or null at the start
 */
export async function prepare(
  source: ConfigSource,
  running: Config | null,
  context: PrepareContext,
): Promise<Prepared | Failure> {
  try {
    const config = source.load();
    const fixed = running ? restartNeeded(running, config) : [];
    if (fixed.length > 0) return { step: 'config', reason: fixed.join('; ') };
    const { runtime, listeners } = config.service;
    const user = resolveUser(runtime.user, runtime.group);
    const release = resolveRelease(runtime, { user, base: context.environment });
    const settings = settingsOf(config, release.path);
    const { steered, maxRetiring } = settings.handover;
    const lanes = steered ? lanesNeeded(settings.workers, maxRetiring) : 0;
    // What the service as a whole rules out, such as nginx under a Unix socket's other name, the listener alone cannot know.
    const settled = listeners.map((listener) =>
      isSteered(listener, config.service) ? listener : { ...listener, steer: false as const },
    );
    const acquired = await context.listeners.acquire(settled, lanes);
    return { config, settings, release, user, acquired };
  } catch (error) {
    if (error instanceof ConfigError) return { step: 'config', reason: error.problems.join('; ') };
    if (error instanceof ReleaseError) return { step: `release.${error.step}`, reason: error.message };
    if (error instanceof ListenerError) return { step: `listener.${error.listener}`, reason: error.message };
    throw error;
  }
}
