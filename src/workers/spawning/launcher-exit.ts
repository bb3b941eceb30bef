import type { ExitStatus } from '../../lifecycle/facts.ts';

/** How zero's own launcher, node-launcher.ts, begins its complaint. */
export const LAUNCHER_NAME = 'zero-launcher';

// `env: '/x': Permission denied`, `setpriv: setresuid failed: ...`, with or without the tool's path. The shell executes
// env(1), or the service itself: dash says `sh: 1: exec: /srv/app: not found`, bash `sh: line 1: exec: ...`; anything
// else is a service's own shell.
const COMPLAINT = /^(?:\S*\/)?(env|setpriv|prlimit|zero-launcher|sh(?=: (?:line )?\d+: exec:)): (.+)$/;

/**
 * Where a program of the launcher failed instead of the service: what it said, `env: '/srv/app': Permission denied`, or
 * of zero's own launcher the call that failed, `execve /srv/app: EACCES: permission denied`. null when nothing speaks
 * for it. POSIX gives 126 (found but not executable) and 127 (not found) to what executes another program, setpriv and
 * prlimit exit 1, env and zero's own launcher 125 where they fail themselves; a service can exit so too, hence the look
 * at the last line of output, which is always the launcher's own.
 */
export function launcherFailure(status: ExitStatus, output: readonly string[]): string | null {
  if (status.kind !== 'exited' || ![1, 125, 126, 127].includes(status.code)) return null;
  const [, tool, complaint = ''] = COMPLAINT.exec(output.at(-1) ?? '') ?? [];
  if (tool === undefined) return null;
  return tool === LAUNCHER_NAME ? complaint : `${tool}: ${complaint}`;
}
