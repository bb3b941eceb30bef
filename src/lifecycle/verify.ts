/*
 * `verify` checks the candidate from the first canary step to the end of the soak. The configured number of failed
 * checks in a row ends the handover. After its deadline, a step continues until a check has passed in it. A check takes
 * at most `timeout`, and starts `interval` after the previous one.
 */
import type { Context } from './context.ts';
import type { Of } from './events.ts';
import type { State } from './state.ts';

const NEVER = Number.POSITIVE_INFINITY;

/** A check has ended. */
export function onVerifyChecked({ state }: Context, { generation, passed }: Of<'verify_checked'>): void {
  const step = state.handover?.step;
  if (step?.name !== 'canary' && step?.name !== 'soak') return;
  if (step.candidate === generation) step.verified = passed;
}

/** When the handover's preview, canary or soak is over; Infinity for never, or until a check has passed. */
export function handoverDeadline({ handover }: State): number {
  const { step } = handover ?? {};
  if (step === undefined || !('until' in step)) return NEVER;
  return step.name === 'preview' || step.verified ? step.until : NEVER;
}
