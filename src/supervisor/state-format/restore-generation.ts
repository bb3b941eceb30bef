import type { Usage } from '../../lifecycle/facts.ts';
import type { Generation, Stage } from '../../lifecycle/generation.ts';
import type { Settings } from '../../lifecycle/settings.ts';
import type { Membership, Worker, WorkerLife } from '../../lifecycle/worker.ts';
import { exitOf, retryOf } from './restore-parts.ts';
import type { GenerationDocument } from './version-2.ts';
import { orNull } from './write-parts.ts';

/*
 * The inverse of write-generation.ts and write-settings.ts. Fields that earlier versions of zero omitted get the value
 * that they had there.
 */

type WorkerDocument = GenerationDocument['workers'][number];

export function generationOf(document: GenerationDocument): Generation {
  const { workers } = document;
  return {
    id: document.generation,
    settings: settingsOf(document.settings),
    label: document.label ?? null,
    since: document.since_monotonic_ms,
    workers: workers.map(workerOf),
    firstLane: document.first_lane ?? workers[0]?.lane ?? 0,
    stage: stageOf(document.stage),
    remains: document.remaining_processes.map(({ worker, incarnation, sigkill_monotonic_ms, retry }) => ({
      worker,
      incarnation,
      until: sigkill_monotonic_ms,
      retry: orNull(retry, retryOf),
    })),
    usage: orNull(document.usage, usageOf),
    relisten: orNull(document.backlog_retry, retryOf),
    replacePause: orNull(document.replacement_pause, retryOf),
    ...(document.adopted && { adopted: true }),
  };
}

function stageOf(stage: GenerationDocument['stage']): Stage {
  const { name } = stage;
  switch (name) {
    case 'starting':
      return { name, deadline: stage.deadline_monotonic_ms };
    case 'ready':
    case 'serving':
    case 'standby':
      return { name };
    case 'retiring':
      return {
        name,
        since: stage.since_monotonic_ms,
        successor: stage.successor,
        replaced: stage.successor_promoted,
        served: stage.served,
        signalled: stage.asked_to_stop,
      };
    case 'stopping':
      return { name, since: stage.since_monotonic_ms, retired: stage.served };
  }
}

function workerOf(document: WorkerDocument): Worker {
  const { worker: index, lane, rescue, incarnation, attempts, state, leaving, last_exit } = document;
  return {
    index,
    lane,
    rescue,
    membership: membershipOf(document.membership),
    incarnation,
    attempts,
    life: lifeOf(state),
    leave: orNull(leaving, ({ unreachable_since_monotonic_ms: since }) => ({ since })),
    lastExit: orNull(last_exit, ({ at_monotonic_ms: at, exit, reason }) => ({
      at,
      exit: orNull(exit, exitOf),
      reason,
    })),
  };
}

function membershipOf(membership: string | undefined): Membership {
  return membership === 'joining' || membership === 'leaving' ? membership : 'member';
}

function lifeOf(state: WorkerDocument['state']): WorkerLife {
  const { name } = state;
  switch (name) {
    case 'spawning':
      return { name };
    case 'up':
      return {
        name,
        pid: state.pid,
        since: state.since_monotonic_ms,
        waiting: [...state.gates_waiting],
        readyAt: state.ready_monotonic_ms,
        hung: state.hung,
        unhealthy: state.unhealthy ?? null,
        killed: state.sigkill_sent,
        drains: state.drains,
      };
    case 'backoff':
      return { name, until: state.until_monotonic_ms };
    case 'stopping':
      return {
        name,
        pid: state.pid,
        since: state.since_monotonic_ms,
        killAt: state.deadline_monotonic_ms,
        killed: state.sigkill_sent,
        retry: orNull(state.retry, retryOf),
        refused: state.signals_refused,
      };
    case 'ended':
      return { name, exit: orNull(state.exit, exitOf) };
  }
}

function usageOf(usage: NonNullable<GenerationDocument['usage']>): Usage {
  return {
    userSeconds: usage.user_seconds,
    systemSeconds: usage.system_seconds,
    maxRssBytes: usage.max_rss_bytes,
    minorFaults: usage.minor_faults,
    majorFaults: usage.major_faults,
    diskReads: usage.disk_reads,
    diskWrites: usage.disk_writes,
    signals: usage.signals,
    voluntaryContextSwitches: usage.voluntary_context_switches,
    involuntaryContextSwitches: usage.involuntary_context_switches,
  };
}

export function settingsOf(document: GenerationDocument['settings']): Settings {
  const { path, directory, workers, gates, restart, liveness, handover, hooks } = document;
  return {
    path,
    directory,
    workers,
    gates: [...gates],
    reloadUptime: document.reload_uptime_ms,
    readinessTimeout: document.readiness_timeout_ms,
    shutdownSignal: document.shutdown_signal,
    shutdownTimeout: document.shutdown_timeout_ms,
    restart: {
      policy: restart.policy,
      initial: restart.initial_ms,
      factor: restart.factor,
      max: restart.max_ms,
      resetAfter: restart.reset_after_ms,
      onStall: restart.on_stall,
      maxMemory: restart.max_memory ?? null,
    },
    liveness: orNull(liveness, ({ action }) => ({ action: action === 'replace' ? 'replace' : 'report' })),
    handover: {
      steered: handover.steered,
      previewFrom: [...handover.preview_from],
      previewTimeout: handover.preview_timeout_ms,
      canary: handover.canary.map(({ percent, for_ms }) => ({ percent, for: for_ms })),
      canaryBy: handover.canary_by,
      soak: handover.soak_ms,
      verify: handover.verify,
      stall: handover.stall_ms,
      settle: handover.settle_ms,
      drainTimeout: handover.drain_timeout_ms,
      maxRetiring: handover.max_retiring,
      handshake: handover.handshake_ms,
    },
    hooks: {
      beforeReload: hooks.before_reload_timeout_ms,
      afterPromote: hooks.after_promote_timeout_ms,
      afterRollback: hooks.after_rollback_timeout_ms,
      onReplace: hooks.on_replace_timeout_ms ?? null,
      onCrashLoop: hooks.on_crash_loop_timeout_ms ?? null,
      onWorkerStalled: hooks.on_worker_stalled_timeout_ms ?? null,
      onLateRollback: hooks.on_late_rollback_timeout_ms ?? null,
      onRecovery: hooks.on_recovery_timeout_ms ?? null,
    },
  };
}
