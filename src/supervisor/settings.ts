import type { Config } from '../config/index.ts';
import type { Settings } from '../lifecycle/settings.ts';

/** What the core needs to know of a config. */
export function settingsOf(config: Config, executable: string): Settings {
  const { runtime, options, readiness, restart } = config.service;
  return {
    path: executable,
    directory: runtime.directory,
    workers: 1,
    gates: gateNames(readiness),
    reloadUptime: options.reload_uptime,
    readinessTimeout: readiness.timeout,
    shutdownSignal: options.shutdown_signal,
    shutdownTimeout: options.shutdown_timeout,
    restart: {
      policy: restart.policy,
      initial: restart.backoff.initial,
      factor: restart.backoff.factor,
      max: restart.backoff.max,
      resetAfter: restart.backoff.reset_after,
    },
  };
}

function gateNames(readiness: Config['service']['readiness']): string[] {
  const names: string[] = [];
  if (readiness.notify) names.push('notify');
  if (readiness.ready_fd !== undefined) names.push('ready_fd');
  if (readiness.http) names.push('http');
  if (readiness.tcp) names.push('tcp');
  if (readiness.command) names.push('command');
  return names;
}

/** What a running supervisor cannot change, as problems; empty when the new config can be taken. */
export function restartNeeded(running: Config, wanted: Config): string[] {
  const fixed = (config: Config): Record<string, string | undefined> => ({
    'service.runtime.name': config.service.runtime.name,
    'application.runtime_directory': config.application.runtime_directory,
    'application.data_directory': config.application.data_directory,
  });
  const before = fixed(running);
  return Object.entries(fixed(wanted))
    .filter(([key, value]) => value !== before[key])
    .map(
      ([key, value]) =>
        `${key}: cannot change from ${before[key] ?? 'its default'} to ${value ?? 'its default'} while zero runs: it needs a restart`,
    );
}
