import type { Handover, HandoverStep } from '../../lifecycle/handover.ts';
import type { Hook } from '../../lifecycle/hooks.ts';
import type { Caller, Request } from '../../lifecycle/requests.ts';
import type { OwedVerdict } from '../../lifecycle/verdicts.ts';
import { settingsOf } from './restore-generation.ts';
import { failureOf } from './restore-parts.ts';
import type { Document, HandoverDocument } from './version-2.ts';
import { orNull } from './write-parts.ts';

/* The inverse of write-handover.ts. */

type OwedDocument = Document['owed_verdicts'][number];

/** @param isVerified the result for a canary step or soak that does not record whether its newest check passed */
export function handoverOf(document: HandoverDocument, isVerified: (candidate: number) => boolean): Handover {
  const { handover: id, since_monotonic_ms: since, incumbent, step, request } = document;
  return { id, request: requestOf(request, id), since, incumbent, step: stepOf(step, isVerified) };
}

function stepOf(step: HandoverDocument['step'], isVerified: (candidate: number) => boolean): HandoverStep {
  const { name } = step;
  switch (name) {
    case 'resolving':
      return { name };
    case 'waiting':
      return { name, settings: settingsOf(step.settings) };
    case 'before_reload':
      return { name, settings: settingsOf(step.settings), hook: step.hook };
    case 'starting':
    case 'promoting':
      return { name, candidate: step.candidate };
    case 'preview':
      return { name, candidate: step.candidate, until: step.until_monotonic_ms };
    case 'soak': {
      const { candidate, until_monotonic_ms: until, verified = isVerified(candidate) } = step;
      return { name, candidate, until, verified };
    }
    case 'canary': {
      const { candidate, canary: index, until_monotonic_ms: until, verified = isVerified(candidate) } = step;
      return { name, candidate, index, until, verified };
    }
  }
}

/** @param id its number, if an earlier version of zero did not record it */
export function requestOf(document: HandoverDocument['request'], id: number): Request {
  const { handover = id, preview, rollback, label = null, since_monotonic_ms: since, callers } = document;
  const wants = { preview, rollback: orNull(rollback, ({ to }) => ({ to })), label };
  return { id: handover, wants, since, callers: callers.map(callerOf) };
}

function callerOf(document: HandoverDocument['request']['callers'][number]): Caller {
  const { by, id: ticket, timeout_ms: timeout, deadline_monotonic_ms: deadline } = document;
  return { by, ticket, timeout, deadline };
}

export function owedOf(document: OwedDocument): OwedVerdict {
  const { outcome, handover, generation, incumbent, label = null, duration_ms: duration } = document;
  const failure = orNull(document.failure, failureOf);
  const hook = orNull(document.hook_failure, failureOf);
  const ids = { outcome, handover, generation, incumbent, label };
  return {
    callers: document.callers.map(callerOf),
    // The delivery of the verdict determines whether the service is down.
    verdict: { ...ids, down: null, duration, failure, ...(hook && { hook }) },
    hook: document.waits_for_hook,
    retiring: document.waits_for_generation,
  };
}

export function hookOf(document: Document['hooks'][number]): Hook {
  const { hook, name, config, handover, generation, path, incumbent, outcome, replacement, notice } =
    document;
  const of = config.of === 'generation' ? { generation: config.generation } : { handover: config.handover };
  return {
    run: {
      type: 'run_hook',
      hook,
      name,
      of,
      handover,
      generation,
      path,
      incumbent,
      outcome,
      ...(replacement && {
        replacement: { ...replacement, cause: replacement.cause === 'memory' ? 'memory' : 'liveness' },
      }),
      ...(notice && { notice }),
    },
    timeout: document.timeout_ms,
    running: orNull(document.running, ({ since_monotonic_ms, until_monotonic_ms, sigkill_sent }) => ({
      since: since_monotonic_ms,
      until: until_monotonic_ms,
      killed: sigkill_sent,
    })),
  };
}
