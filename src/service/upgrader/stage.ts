import { UpgradeError } from '../upgrade-error.ts';

/** Where a process is on its way; each stage is followed by one further down, but for `upgrading`, which goes back when it fails. */
export type Stage =
  /** It has not said `ready()`. */
  | { readonly is: 'starting' }
  /** It has, and the process that it replaces has not let go yet: that one may still carry on alone. */
  | { readonly is: 'on_probation' }
  | { readonly is: 'serving' }
  /** A new process is started, waited for, or on probation. */
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
        'upgrade: the process that this one replaces has not released the sockets yet: it may still continue alone',
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
