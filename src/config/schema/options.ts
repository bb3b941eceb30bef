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
    'A new generation must have stayed up this long before the old one is let go.',
    z.prefault(duration, '1s'),
  ),
  shutdown_signal: key(
    'The signal that asks the service to leave.',
    z.prefault(signalExcept(shutdownSignalProblem), 'SIGTERM'),
  ),
  shutdown_timeout: key(
    'How long after that it is killed; 0 is never. Processes that outlive its main process get the rest of this time.',
    z.prefault(duration, '30s'),
  ),
});

export const watch = z.strictObject({
  paths: key(
    'Files and directories, these with everything below them; a relative path starts at `directory`. Symlinks on the way to them are followed, and watched.',
    z.array(path).check(z.minLength(1)),
  ),
  quiet: key(
    'How long nothing may have changed before what is there counts as complete.',
    z.prefault(positiveDuration, '1s'),
  ),
});
