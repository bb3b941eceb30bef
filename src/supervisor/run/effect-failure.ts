import { errorText } from '../../common/errors.ts';
import type { AnsweredEffect } from '../../lifecycle/effects.ts';
import type { Failure } from '../../lifecycle/facts.ts';
import { causeOf, ListenerError } from '../../listeners/listener-error.ts';
import { SignalError } from '../../workers/processes/delivery.ts';

/** The name of each step in errors and verdicts. */
const STEPS: Readonly<Record<AnsweredEffect['type'], string>> = {
  adopt: 'prepare',
  discard: 'discard',
  listen_again: 'listen',
  inspect_lanes: 'inspect lanes',
  promoted: 'promote',
  signal: 'signal',
  kill: 'kill',
  kill_leftovers: 'kill remaining processes',
  release: 'release',
  steer: 'steer',
  attend: 'watch lanes',
  drain: 'read connections',
  watch_stalls: 'watch for hung workers',
  watch_memory: 'watch the memory of workers',
  check_liveness: 'check the liveness of workers',
  verify: 'verify',
  prepare_lanes: 'prepare lanes',
  keep_sockets: 'keep sockets',
  kill_hook: 'kill hook',
  write: 'write',
};

/** The name of the step of an effect. */
export function stepOf({ type }: AnsweredEffect): string {
  return STEPS[type];
}

/** Why an effect failed: its step, its target and the errno. An unexpected error carries its stack. */
export function failureOf(effect: AnsweredEffect, error: unknown): Failure {
  const step = STEPS[effect.type];
  const message = errorText(error);
  if (error instanceof SignalError)
    return { step, reason: message, subject: error.subject, errno: error.code };
  const subject = error instanceof ListenerError ? `listener ${error.listener}` : subjectOf(effect);
  const reason = subject === undefined ? `${step}: ${message}` : `${step} (${subject}): ${message}`;
  return { step, reason, ...(subject !== undefined && { subject }), ...causeOf(error) };
}

/** Why a write to a file failed. */
export function writeFailure(step: string, file: string, error: unknown): Failure {
  const reason = `${step} ${file}: ${errorText(error)}`;
  return { step, reason, subject: file, ...causeOf(error) };
}

function subjectOf(effect: AnsweredEffect): string | undefined {
  switch (effect.type) {
    case 'signal':
    case 'kill':
      return `process ${effect.pid}`;
    case 'kill_leftovers':
      return `generation ${effect.generation}, worker ${effect.worker}`;
    case 'adopt':
    case 'listen_again':
    case 'promoted':
    case 'release':
      return `generation ${effect.generation}`;
    case 'attend':
    case 'prepare_lanes':
      return `lanes ${effect.lanes.join(', ')}`;
    case 'kill_hook':
      return `hook ${effect.hook}`;
    case 'discard':
      return `handover ${effect.handover}`;
    case 'write':
      return effect.file;
    default:
      return undefined;
  }
}
