import type { VerifyConfig } from '../../config/index.ts';
import { formatStatusRanges } from '../../config/values/http-request.ts';
import type { Settings } from '../../lifecycle/settings.ts';
import type { GenerationDocument } from './version-2.ts';
import { orNull } from './write-parts.ts';

export function settingsDocument(settings: Settings): GenerationDocument['settings'] {
  const { restart, liveness, handover, hooks } = settings;
  return {
    path: settings.path,
    directory: settings.directory,
    workers: settings.workers,
    gates: settings.gates,
    reload_uptime_ms: settings.reloadUptime,
    readiness_timeout_ms: settings.readinessTimeout,
    shutdown_signal: settings.shutdownSignal,
    shutdown_timeout_ms: settings.shutdownTimeout,
    restart: {
      policy: restart.policy,
      initial_ms: restart.initial,
      factor: restart.factor,
      max_ms: restart.max,
      reset_after_ms: restart.resetAfter,
      on_stall: restart.onStall,
      max_memory: restart.maxMemory,
    },
    liveness: orNull(liveness, ({ action }) => ({ action })),
    handover: {
      steered: handover.steered,
      preview_from: handover.previewFrom,
      preview_timeout_ms: handover.previewTimeout,
      canary: handover.canary.map(({ percent, for: for_ms }) => ({ percent, for_ms })),
      canary_by: handover.canaryBy,
      soak_ms: handover.soak,
      verify: handover.verify,
      stall_ms: handover.stall,
      settle_ms: handover.settle,
      drain_timeout_ms: handover.drainTimeout,
      max_retiring: handover.maxRetiring,
      handshake_ms: handover.handshake,
    },
    hooks: {
      before_reload_timeout_ms: hooks.beforeReload,
      after_promote_timeout_ms: hooks.afterPromote,
      after_rollback_timeout_ms: hooks.afterRollback,
      on_replace_timeout_ms: hooks.onReplace,
      on_crash_loop_timeout_ms: hooks.onCrashLoop,
      on_worker_stalled_timeout_ms: hooks.onWorkerStalled,
      on_late_rollback_timeout_ms: hooks.onLateRollback,
      on_recovery_timeout_ms: hooks.onRecovery,
    },
  };
}

export function verifyDocument(verify: VerifyConfig): NonNullable<GenerationDocument['verify']> {
  const { interval, timeout, failures } = verify;
  return {
    interval_ms: interval,
    timeout_ms: timeout,
    failures,
    http: orNull(verify.http, ({ listener, address, path, status, host, timeout }) => ({
      listener: listener ?? null,
      address: address?.text ?? null,
      path,
      status: formatStatusRanges(status),
      host: host ?? null,
      timeout_ms: timeout ?? null,
    })),
    command: orNull(verify.command, ({ run, timeout }) => ({ run, timeout_ms: timeout ?? null })),
  };
}
