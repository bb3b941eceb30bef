import type { ExitStatus } from '../../lifecycle/facts.ts';

/** Prefix of the error messages of zero's own launcher, node-launcher.ts. */
export const LAUNCHER_NAME = 'zero-launcher';

// `env: '/x': Permission denied`, `setpriv: setresuid failed: ...`, with or without the tool's path. The shell executes
// env(1), or the service itself: dash writes `sh: 1: exec: /srv/app: not found`, bash `sh: line 1: exec: ...`. Anything
// else comes from a service's own shell.
const COMPLAINT = /^(?:\S*\/)?(env|setpriv|prlimit|zero-launcher|sh(?=: (?:line )?\d+: exec:)): (.+)$/;

/**
 * The error of a launcher program that failed instead of the service: `env: '/srv/app': Permission denied`, or for
 * zero's own launcher the failed call, `execve /srv/app: EACCES: permission denied`. Null if nothing indicates such an
 * error. A program that executes another one exits with 126 (found but not executable) or 127 (not found), as POSIX
 * requires. On their own errors, setpriv and prlimit exit with 1, env and zero's own launcher with 125. A service can
 * exit with these codes, too. So the last line of output decides, which is always the launcher's own.
 */
export function launcherFailure(status: ExitStatus, output: readonly string[]): string | null {
  if (status.kind !== 'exited' || ![1, 125, 126, 127].includes(status.code)) return null;
  const [, tool, complaint = ''] = COMPLAINT.exec(output.at(-1) ?? '') ?? [];
  if (tool === undefined) return null;
  return tool === LAUNCHER_NAME ? complaint : `${tool}: ${complaint}`;
}
