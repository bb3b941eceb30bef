import type { Handover, HandoverStep } from '../../lifecycle/handover.ts';
import type { Hook } from '../../lifecycle/hooks.ts';
import type { Caller, Request } from '../../lifecycle/requests.ts';
import type { OwedVerdict } from '../../lifecycle/verdicts.ts';
import type { ProcessIdentity } from '../../linux/procfs.ts';
import type { Document, HandoverDocument } from './version-2.ts';
import { failureDocument, orNull, processDocument } from './write-parts.ts';
import { settingsDocument } from './write-settings.ts';

export function handoverDocument({ id, since, incumbent, step, request }: Handover): HandoverDocument {
  return {
    handover: id,
    since_monotonic_ms: since,
    incumbent,
    step: stepDocument(step),
    request: requestDocument(request),
  };
}

function stepDocument(step: HandoverStep): HandoverDocument['step'] {
  const { name } = step;
  switch (name) {
    case 'resolving':
      return { name };
    case 'waiting':
      return { name, settings: settingsDocument(step.settings) };
    case 'before_reload':
      return { name, settings: settingsDocument(step.settings), hook: step.hook };
    case 'starting':
    case 'promoting':
      return { name, candidate: step.candidate };
    case 'preview':
      return { name, candidate: step.candidate, until_monotonic_ms: step.until };
    case 'soak':
      return { name, candidate: step.candidate, until_monotonic_ms: step.until, verified: step.verified };
    case 'canary': {
      const { candidate, index: canary, until, verified } = step;
      return { name, candidate, canary, until_monotonic_ms: until, verified };
    }
  }
}

export function requestDocument({ id, wants, since, callers }: Request): HandoverDocument['request'] {
  const { preview, rollback, label } = wants;
  return {
    handover: id,
    preview,
    rollback: orNull(rollback, ({ to }) => ({ to })),
    ...(label !== null && { label }),
    since_monotonic_ms: since,
    callers: callers.map(callerDocument),
  };
}

function callerDocument({ by, ticket, timeout, deadline }: Caller) {
  return { by, id: ticket, timeout_ms: timeout, deadline_monotonic_ms: deadline };
}

export function owedDocument({
  callers,
  verdict,
  hook,
  retiring,
}: OwedVerdict): Document['owed_verdicts'][number] {
  return {
    callers: callers.map(callerDocument),
    outcome: verdict.outcome,
    handover: verdict.handover,
    generation: verdict.generation,
    incumbent: verdict.incumbent,
    duration_ms: verdict.duration,
    ...(verdict.label !== null && { label: verdict.label }),
    failure: orNull(verdict.failure, failureDocument),
    hook_failure: orNull(verdict.hook, failureDocument),
    waits_for_hook: hook,
    waits_for_generation: retiring,
  };
}

/** @param process the process of the hook, if it runs */
export function hookDocument(
  { run, timeout, running }: Hook,
  process: ProcessIdentity | undefined,
): Document['hooks'][number] {
  const { hook, name, of, handover, generation, path, incumbent, outcome, replacement, notice } = run;
  return {
    hook,
    name,
    config:
      'generation' in of
        ? { of: 'generation', generation: of.generation }
        : { of: 'handover', handover: of.handover },
    handover,
    generation,
    path,
    incumbent,
    outcome,
    ...(replacement && { replacement }),
    ...(notice && { notice }),
    timeout_ms: timeout,
    running: orNull(running, ({ since, until, killed }) => ({
      since_monotonic_ms: since,
      until_monotonic_ms: until,
      sigkill_sent: killed,
      ...(process && processDocument(process)),
    })),
  };
}
