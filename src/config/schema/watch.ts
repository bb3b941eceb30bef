import * as z from 'zod/mini';
import { key } from './key.ts';
import { path, positiveDuration } from './scalars.ts';

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
