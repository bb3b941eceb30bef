/** What is said on NOTIFY_SOCKET (sd_notify(3)). */
export interface Notification {
  /** It is ready, or is loading its next version (systemd's Type=notify-reload). */
  readonly state: 'ready' | 'reloading';
  /** Where another process is the main one from now on. */
  readonly mainPid: number | null;
  /** On its shutdown signal it finishes its connections by itself: zero does not wait for them first. */
  readonly drains: boolean;
}

/** @param monotonic nanoseconds of CLOCK_MONOTONIC */
export function notification({ state, mainPid, drains }: Notification, monotonic: bigint): string {
  const lines = state === 'ready' ? ['READY=1'] : ['RELOADING=1', `MONOTONIC_USEC=${monotonic / 1_000n}`];
  if (mainPid !== null) lines.unshift(`MAINPID=${mainPid}`);
  if (drains) lines.push('X_ZERO_DRAINS=1');
  return lines.join('\n');
}
