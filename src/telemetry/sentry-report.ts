import type { Fact, Failure } from '../lifecycle/facts.ts';
import { exitText } from './message.ts';

/** A report for Sentry: one issue for each type and step. */
export interface SentryReport {
  readonly type: 'HandoverFailed' | 'WorkerCrashed' | 'SpawnFailed' | 'SupervisorError';
  readonly value: string;
  /** Reports with the same parts are the same issue. */
  readonly fingerprint: readonly string[];
  readonly extra: Readonly<Record<string, unknown>>;
}

/** The report of a failed handover, a crash or an error of the supervisor; null for every other fact. */
export function sentryReportOf(fact: Fact): SentryReport | null {
  switch (fact.event) {
    case 'handover_finished':
      if (fact.outcome === 'promoted' || fact.outcome === 'aborted' || fact.outcome === 'superseded')
        return null;
      return handoverReport(fact.outcome, fact.handover, fact.duration, fact.failure);
    case 'worker_exited': {
      if (fact.expected) return null;
      const { generation, worker, uptime } = fact;
      const exit = exitText(fact.exit);
      return {
        type: 'WorkerCrashed',
        value: exit,
        fingerprint: ['WorkerCrashed', exit],
        extra: { generation, worker, uptime_ms: uptime },
      };
    }
    case 'worker_spawn_failed': {
      const { generation, worker, step, reason } = fact;
      return {
        type: 'SpawnFailed',
        value: `${step}: ${reason}`,
        fingerprint: ['SpawnFailed', step],
        extra: { generation, worker, step, reason },
      };
    }
    case 'error':
      return {
        type: 'SupervisorError',
        value: `${fact.step}: ${fact.message}`,
        fingerprint: ['SupervisorError', fact.step],
        extra: { step: fact.step },
      };
    default:
      return null;
  }
}

function handoverReport(
  outcome: string,
  handover: number,
  duration: number,
  failure: Failure | null,
): SentryReport {
  const step = failure?.step ?? outcome;
  return {
    type: 'HandoverFailed',
    value: failure === null ? outcome : `${failure.step}: ${failure.reason}`,
    fingerprint: ['HandoverFailed', step],
    extra: {
      handover,
      outcome,
      duration_ms: duration,
      ...(failure && {
        step: failure.step,
        reason: failure.reason,
        generation: failure.generation,
        worker: failure.worker,
        exit: failure.exit && exitText(failure.exit),
        output: failure.output,
      }),
    },
  };
}
