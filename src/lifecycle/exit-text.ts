import type { ExitStatus } from './facts.ts';

/** How a worker ended without having been asked to. */
export interface LastExit {
  at: number;
  /** null: it could not be started. */
  exit: ExitStatus | null;
  reason: string;
}

/** `exited with code 3`, `was killed by SIGSEGV (core dumped)`. */
export function describeExit(exit: ExitStatus): string {
  if (exit.kind === 'exited') return `exited with code ${exit.code}`;
  if (exit.kind === 'signaled')
    return `was killed by ${exit.signal}${exit.coreDumped ? ' (core dumped)' : ''}`;
  return 'exited; exit status unknown (not a child of this supervisor)';
}
