import { parseSignal as signalOf } from '../../common/signals.ts';
import { type Parsed, quoted } from '../../common/text.ts';

/**
 * Parses a signal's name, `USR1` or `SIGUSR1` in any case; real-time signals as `SIGRTMIN+n` or `SIGRTMAX-n`.
 * @returns the canonical name, `SIGUSR1`, `SIGRTMIN+3`
 */
export function parseSignal(text: string): Parsed<string> {
  const value = signalOf(text);
  if (value === null) return { problem: `${quoted(text)} is not a signal: write a name such as SIGHUP` };
  return /^\d+$/.test(text) ? { problem: `${text} is a number: write ${value}` } : { value };
}

// Signals that the supervisor cannot or must not handle, with the reason.
const UNTAKEABLE = new Map([
  ['SIGKILL', 'no process can catch it'],
  ['SIGSTOP', 'no process can catch it'],
  ['SIGCHLD', 'the kernel sends it to zero when a process exits'],
  ['SIGPIPE', 'the kernel sends it to zero when a log reader exits'],
  ...['SIGILL', 'SIGTRAP', 'SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGSEGV', 'SIGSYS', 'SIGSTKFLT'].map(
    (name): [string, string] => [name, 'it means that a program has crashed'],
  ),
  // Used by V8's profiler and the timers of setitimer(2).
  ['SIGPROF', "it drives Node's profiler"],
]);

const STOPPING = new Map([
  ['SIGINT', 'it stops zero'],
  ['SIGTERM', 'it stops zero'],
  ['SIGQUIT', 'it stops zero at once'],
]);

// Signals whose default action is to ignore, to stop or to continue (signal(7)): a service without a handler would
// never exit.
const HARMLESS = new Set([
  'SIGCHLD',
  'SIGURG',
  'SIGWINCH',
  'SIGCONT',
  'SIGSTOP',
  'SIGTSTP',
  'SIGTTIN',
  'SIGTTOU',
]);

/** Why zero cannot use this signal as reload_signal; null if it can. */
export function reloadSignalProblem(name: string): string | null {
  return STOPPING.get(name) ?? uncatchable(name);
}

/** Why zero cannot forward this signal; null if it can. */
export function forwardSignalProblem(name: string): string | null {
  if (name === 'SIGUSR2') return 'it is reserved for the upgrade of zero itself';
  return STOPPING.get(name) ?? uncatchable(name);
}

/** Why this signal cannot ask a service to stop; null if it can. SIGWINCH can: httpd stops gracefully on it. */
export function shutdownSignalProblem(name: string): string | null {
  if (name === 'SIGWINCH' || !HARMLESS.has(name)) return null;
  return 'it does not end a process';
}

function uncatchable(name: string): string | null {
  // libuv supports only signals up to 31, and so does process.on.
  if (name.startsWith('SIGRTMIN')) return 'Node cannot catch real-time signals';
  return UNTAKEABLE.get(name) ?? null;
}
