import * as z from 'zod/mini';
import { reloadSignalProblem, shutdownSignalProblem } from '../values/signal.ts';
import { key } from './key.ts';
import { duration, path, positiveDuration, signalExcept } from './scalars.ts';

export const options = z.strictObject({
  reload_signal: key(
    'The signal on which zero replaces the service.',
    z.prefault(signalExcept(reloadSignalProblem), 'SIGHUP'),
  ),
  reload_uptime: key(
    'A new generation must have stayed up this long before it takes over.',
    z.prefault(duration, '1s'),
  ),
  shutdown_signal: key(
    'The signal that asks the service to stop.',
    z.prefault(signalExcept(shutdownSignalProblem), 'SIGTERM'),
  ),
  shutdown_timeout: key(
    'How long zero waits after that signal before it kills the service; 0: without limit. Processes that remain after the main process has exited get the rest of this time.',
    z.prefault(duration, '30s'),
  ),
});

export const watch = z.strictObject({
  paths: key(
    'Files, and directories with everything below them. A relative path starts at `directory`. Symlinks on their paths are followed and watched.',
    z.array(path).check(z.minLength(1)),
  ),
  quiet: key(
    'How long the files must be unchanged before zero hands over.',
    z.prefault(positiveDuration, '1s'),
  ),
});
