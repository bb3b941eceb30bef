import { findCommand } from '../../common/find-command.ts';
import { type Config, configFromArguments, formatProblem, parseConfig } from '../../config/index.ts';
import type { Earlier } from '../../history/choose.ts';
import type { ReleaseRecord } from '../../history/release-record.ts';
import type { Settings } from '../../lifecycle/settings.ts';
import type { ListenerSet } from '../../listeners/listener-set.ts';
import type { Environment } from '../../workers/spawning/environment.ts';
import { type Release, resolveRelease } from '../../workers/spawning/release.ts';
import { ReleaseError } from '../../workers/spawning/release-error.ts';
import { resolveUser, type TargetUser } from '../../workers/spawning/target-user.ts';
import { acquireFor, type Prepared, withRelease } from '../run/prepare.ts';
import { openExecutable, recordOf } from '../run/release-file.ts';
import { ConfigError, type ConfigSnapshot } from '../start/config-source.ts';
import type { GenerationMemo } from '../state-format/generation-memo.ts';

/** The known sources of a generation of a dead supervisor, before its listeners are acquired. */
export interface Origin {
  readonly config: Config;
  readonly release: Release;
  readonly record: ReleaseRecord;
  readonly rollbackTo: number | null;
  readonly label: string | null;
  readonly snapshot: ConfigSnapshot | null;
  readonly earlier: Earlier | null;
}

/** The config from its source. Throws ConfigError. */
export function configOf(snapshot: ConfigSnapshot): Config {
  const result =
    snapshot.kind === 'file'
      ? parseConfig(snapshot.text, snapshot.path)
      : configFromArguments(snapshot.arguments, (name) =>
          findCommand(name, process.env.PATH, snapshot.directory),
        );
  if ('problems' in result) throw new ConfigError(result.problems.map(formatProblem));
  return result.config;
}

/** The sources of a generation from its memo. Throws ConfigError if this zero cannot read its config. */
export function originOf({ source, earlier, ...memo }: GenerationMemo): Origin {
  const config = configOf(source);
  const { release, record, rollbackTo, label } = memo;
  return {
    config: earlier ? withRelease(config, earlier) : config,
    release,
    record,
    rollbackTo,
    label,
    snapshot: source,
    earlier,
  };
}

/**
 * The sources of a generation without a memo. Its release comes from the history, everything else from the current
 * config.
 * @param base zero's own environment
 */
export function originWithoutMemo(
  today: Config,
  settings: Settings,
  known: ReleaseRecord | null,
  { base, startDirectory }: { readonly base: readonly Buffer[]; readonly startDirectory: string },
): Origin {
  const { runtime } = today.service;
  const executable = known?.path ?? settings.path;
  const directory = known?.directory ?? settings.directory;
  const user = userOf(today);
  const found = attempt(() =>
    resolveRelease(runtime, { user, base, startDirectory, earlier: { executable, directory } }),
  );
  const environment: Environment = found?.environment ?? new Map();
  const identity = known === null ? found?.identity : identityOf(known);
  const release: Release = {
    path: settings.path,
    executable,
    directory,
    identity: identity ?? { device: 0, inode: 0, size: 0, mtimeMs: 0 },
    environment,
    environmentNames: found?.environmentNames ?? [],
  };
  const record = known ?? recordOf(release, runtime.args);
  const earlier = { executable, directory, record };
  const config = withRelease(today, earlier);
  return { config, release, record, rollbackTo: null, label: null, snapshot: null, earlier: null };
}

function identityOf({ device, inode, size, mtime_ms: mtimeMs }: ReleaseRecord): Release['identity'] {
  return { device: device ?? 0, inode, size, mtimeMs };
}

/** Adds the recovered listeners. Rejects with ListenerError, or ReleaseError for a user that no longer exists. */
export async function restorePrepared(
  origin: Origin,
  settings: Settings,
  listeners: ListenerSet,
): Promise<Prepared> {
  const { config, release, record } = origin;
  const user = userOf(config);
  const acquired = await acquireFor(config, settings, listeners);
  const executable = openExecutable(release, record);
  const close = () => {
    acquired.release();
    executable.close();
  };
  return { ...origin, settings, user, acquired, source: executable.fd, close };
}

function userOf({ service }: Config): TargetUser | null {
  const { user, group } = service.runtime;
  return resolveUser(user, group);
}

function attempt<Result>(act: () => Result): Result | null {
  try {
    return act();
  } catch (error) {
    if (error instanceof ReleaseError) return null;
    throw error;
  }
}
