import type { ExitStatus } from '../lifecycle/facts.ts';

// `env: '/x': Permission denied`, `setpriv: setresuid failed: ...`, with or without the tool's path. The shell executes env(1), or the service
// itself: dash says `sh: 1: exec: /srv/app: not found`, bash `sh: line 1: exec: ...`; anything else is a service's own shell.
const COMPLAINT = /^(?:\S*\/)?(env|setpriv|prlimit|nice|sh(?=: (?:line )?\d+: exec:)): (.+)$/;

/**
 * Where a program of the launcher failed instead of the service: what it said, `env: '/srv/app': Permission denied`. null when nothing
 * speaks for it. POSIX gives 126 (found but not executable) and 127 (not found) to what executes another program, setpriv and prlimit
 * exit 1; a service can exit so too, hence the look at the last line of output, which is always the launcher's own.
 */
export function launcherFailure(status: ExitStatus, output: readonly string[]): string | null {
  if (status.kind !== 'exited' || ![1, 125, 126, 127].includes(status.code)) return null;
  const [, tool, complaint] = COMPLAINT.exec(output.at(-1) ?? '') ?? [];
  return tool === undefined ? null : `${tool}: ${complaint}`;
}
