/** What a command's exit code says. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  noInstance: 3,
  rolledBack: 10,
  timedOut: 11,
  aborted: 12,
  goingOn: 13,
  superseded: 14,
} as const;
