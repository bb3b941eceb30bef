/*
 * `verify` checks the candidate from the first canary step to the end of the soak. As many failed checks in a row as the
 * config allows end the handover. A step whose time is over lasts on until a check has passed in it: a check takes at
 * most `timeout`, and comes `interval` after the one before.
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

/** When the step of the handover is over: preview, canary or soak; Infinity for never, or until a check has passed. */
export function handoverDeadline({ handover }: State): number {
  const { step } = handover ?? {};
  if (step === undefined || !('until' in step)) return NEVER;
  return step.name === 'preview' || step.verified ? step.until : NEVER;
}
