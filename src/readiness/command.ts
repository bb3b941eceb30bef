import type { Timers } from '../common/clock.ts';
import { formatDuration } from '../common/duration.ts';
import type { CommandGateConfig } from '../config/schema.ts';
import { startAttempts } from './attempts.ts';
import type { Gate, GateCallbacks } from './gate.ts';

/** The result of a command. */
export type CommandResult =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'signaled'; readonly signal: string }
  | { readonly kind: 'timed_out' }
  /** It could not be started. */
  | { readonly kind: 'failed'; readonly reason: string };

export interface CommandRequest {
  readonly run: readonly string[];
  /** Milliseconds until the runner kills the command. */
  readonly timeout: number;
  /** Added to the environment. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Aborted when the result is no longer needed: the command is killed. */
  readonly stop: AbortSignal;
}

/** Runs a command. An argument, because processes belong to another module. */
export type RunCommand = (request: CommandRequest) => Promise<CommandResult>;

const INTERVAL = 1000;

/** Passes when the command exits with 0. After any other result it runs again a second later. */
export function startCommandGate(
  { run, timeout }: CommandGateConfig,
  runCommand: RunCommand,
  timers: Timers,
  callbacks: GateCallbacks,
): Gate {
  const attempt = (stop: AbortSignal) => runOnce({ run, timeout }, runCommand, stop);
  return startAttempts({ name: 'command', interval: INTERVAL, timers, attempt }, callbacks);
}

/** One run: null if it exits with 0, else its result as text. */
export async function runOnce(
  { run, timeout, variables = {} }: CommandGateConfig & Pick<CommandRequest, 'variables'>,
  runCommand: RunCommand,
  stop: AbortSignal,
): Promise<string | null> {
  const reason = resultProblem(await runCommand({ run, timeout, variables, stop }), timeout);
  return reason === null ? null : `command ${run[0] ?? ''}: ${reason}`;
}

function resultProblem(result: CommandResult, timeout: number): string | null {
  switch (result.kind) {
    case 'exited':
      return result.code === 0 ? null : `exit code ${result.code}`;
    case 'signaled':
      return `killed by ${result.signal}`;
    case 'timed_out':
      return `still running after ${formatDuration(timeout)}`;
    case 'failed':
      return result.reason;
  }
}
