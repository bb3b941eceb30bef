import { UpgradeError } from '../upgrade-error.ts';

/**
 * The stages of a process. Each stage is followed by one further down, except for `upgrading`, which returns to
 * `in_charge` after a failure.
 */
export type Stage =
  /** The process has not called `ready()`. */
  | { readonly is: 'starting' }
  /**
   * It has called `ready()`, but the process that it replaces has not released its sockets yet and may still continue
   * alone.
   */
  | { readonly is: 'on_probation' }
  | { readonly is: 'serving' }
  /** A new process is being started, awaited, or on probation. */
  | { readonly is: 'upgrading' }
  | { readonly is: 'superseded'; readonly by: number }
  | { readonly is: 'stopped' };

/** Why an upgrade cannot begin now; null when it can. */
export function refuseUpgrade(stage: Stage): UpgradeError | null {
  switch (stage.is) {
    case 'starting':
      return new UpgradeError('NOT_READY', 'upgrade: this process has not called ready() yet');
    case 'on_probation':
      return new UpgradeError(
        'PARENT_ALIVE',
        'upgrade: the process that this one replaces has not released the sockets yet, and may still continue alone. Wait until ready() has resolved',
      );
    case 'upgrading':
      return new UpgradeError('IN_PROGRESS', 'upgrade: another upgrade is in progress');
    case 'superseded':
      return new UpgradeError(
        'ALREADY_UPGRADED',
        `upgrade: the process ${stage.by} has taken over from this one`,
      );
    case 'stopped':
      return stopped('upgrade');
    case 'serving':
      return null;
  }
}

/** Why a new socket cannot be opened now; null when it can. */
export function refuseSocket(call: string, stage: Stage): UpgradeError | null {
  switch (stage.is) {
    case 'upgrading':
      return new UpgradeError(
        'IN_PROGRESS',
        `${call}: an upgrade is in progress, and the new process has received all sockets`,
      );
    case 'superseded':
      return new UpgradeError(
        'ALREADY_UPGRADED',
        `${call}: the process ${stage.by} has taken over from this one`,
      );
    case 'stopped':
      return stopped(call);
    default:
      return null;
  }
}

export const stopped = (call: string): UpgradeError =>
  new UpgradeError('STOPPED', `${call}: stop() was called`);
