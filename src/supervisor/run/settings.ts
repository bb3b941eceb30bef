import { availableParallelism } from 'node:os';
import type { Config } from '../../config/index.ts';
import { steeringMode } from '../../config/steering.ts';
import { formatOctal } from '../../config/values/simple.ts';
import type { HandoverSettings, Settings } from '../../lifecycle/settings.ts';
import { handshakeTime, synAckRetries } from '../../linux/handshake.ts';
import { gateNames } from '../../readiness/index.ts';
import type { Release } from '../../workers/spawning/release.ts';
import { controlSocketOf, instanceNamed } from '../instance/instance.ts';

/**
 * The settings of a generation that runs `release` under `config`. Its paths are absolute, because another supervisor
 * may have another working directory.
 */
export function settingsOf(
  config: Config,
  { path, directory }: Pick<Release, 'path' | 'directory'>,
): Settings {
  const { options, readiness, restart, liveness, hooks } = config.service;
  return {
    path,
    directory,
    workers: workersOf(config),
    gates: gateNames(readiness, steeringMode(config).steered),
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
      onStall: restart.on_stall,
      maxMemory: restart.max_memory,
    },
    liveness: liveness === undefined ? null : { action: liveness.action },
    handover: handoverOf(config),
    hooks: {
      beforeReload: hooks.before_reload?.timeout ?? null,
      afterPromote: hooks.after_promote?.timeout ?? null,
      afterRollback: hooks.after_rollback?.timeout ?? null,
      onReplace: hooks.on_replace?.timeout ?? null,
      onCrashLoop: hooks.on_crash_loop?.timeout ?? null,
      onWorkerStalled: hooks.on_worker_stalled?.timeout ?? null,
      onLateRollback: hooks.on_late_rollback?.timeout ?? null,
      onRecovery: hooks.on_recovery?.timeout ?? null,
    },
  };
}

/** The number of workers of a generation with this config. */
export function workersOf({ service }: Config): number {
  return service.runtime.workers === 'auto' ? availableParallelism() : service.runtime.workers;
}

function handoverOf(config: Config): HandoverSettings {
  const { handover } = config.service;
  return {
    steered: steeringMode(config).mode === 'steered',
    previewFrom: handover.preview_from,
    previewTimeout: handover.preview_timeout,
    canary: handover.canary.steps,
    canaryBy: handover.canary.by,
    soak: handover.soak,
    verify: handover.verify !== undefined,
    stall: handover.stall,
    settle: handover.settle,
    drainTimeout: handover.drain_timeout,
    maxRetiring: handover.max_retiring,
    handshake: handshakeTime(synAckRetries(), longestDefer(config)),
  };
}

/** Seconds that the kernel may hold back a connection without data (TCP_DEFER_ACCEPT, tcp(7)). */
function longestDefer({ service }: Config): number {
  return Math.max(0, ...service.listeners.map(({ options }) => options.defer_accept ?? 0));
}

/** The running supervisor. */
export interface Running {
  /** The config that the supervisor was started with. */
  readonly config: Config;
  /** The name of its instance, which the config may omit. */
  readonly name: string;
}

/** Changes that a running supervisor cannot make, as problems; empty if the new config is acceptable. */
export function restartNeeded({ config: running, name }: Running, wanted: Config): string[] {
  // The config sets the name that the instance already has.
  const isSameName = wanted.service.runtime.name === name;
  const { runtimeDirectory } = instanceNamed(name, running);
  // A key that is written with the value that it already has changes nothing.
  const fixed = (config: Config): Record<string, string> => {
    const instance = instanceNamed(name, config);
    const control = controlSocketOf(config, { runtimeDirectory });
    return {
      'service.runtime.name': (isSameName ? name : config.service.runtime.name) ?? 'its default',
      'application.runtime_directory': instance.runtimeDirectory,
      'application.data_directory': instance.dataDirectory,
      'application.control.path': control.path,
      'application.control.mode': formatOctal(control.mode),
      'application.control.group': control.group ?? 'none',
    };
  };
  const before = fixed(running);
  return Object.entries(fixed(wanted))
    .filter(([key, value]) => value !== before[key])
    .map(
      ([key, value]) =>
        `${key}: cannot change from ${before[key]} to ${value} while zero runs: it needs a restart`,
    );
}
