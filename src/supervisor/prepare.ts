import type { Config } from '../config/index.ts';
import type { Failure } from '../lifecycle/facts.ts';
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
    const acquired = await context.listeners.acquire(listeners);
    return { config, settings: settingsOf(config, release.path), release, user, acquired };
  } catch (error) {
    if (error instanceof ConfigError) return { step: 'config', reason: error.problems.join('; ') };
    if (error instanceof ReleaseError) return { step: `release.${error.step}`, reason: error.message };
    if (error instanceof ListenerError) return { step: `listener.${error.listener}`, reason: error.message };
    throw error;
  }
}
