import * as z from 'zod/mini';
import type { Parsed } from '../../common/text.ts';
import { formatSize, parseSize } from '../values/size.ts';
import { key, noted, scalar } from './key.ts';
import { boolean, positiveDuration } from './scalars.ts';

const factor = noted({ kind: 'number' }, z.number().check(z.minimum(1), z.maximum(100)));

/** Bytes; null: no limit. */
const sizeOrNone = scalar<number | null>(
  { kind: 'size or none', json: ['string'] },
  (text): Parsed<number | null> => (text === 'none' ? { value: null } : parseSize(text)),
  (value) => (value === null ? 'none' : formatSize(value)),
);

const backoff = z.strictObject({
  initial: key('The pause before the first restart.', z.prefault(positiveDuration, '100ms')),
  factor: key('The factor by which each further pause is longer.', z.prefault(factor, 2)),
  max: key('The longest pause.', z.prefault(positiveDuration, '30s')),
  reset_after: key(
    'A worker that was up this long is restarted at once, and the pauses begin with `initial` again.',
    z.prefault(positiveDuration, '1m'),
  ),
});

export const restart = z.strictObject({
  policy: key(
    'Whether a worker that exits unexpectedly is restarted: `always`, `on-failure` (not after exit code 0), `never`.',
    z.prefault(z.enum(['always', 'on-failure', 'never']), 'always'),
  ),
  on_stall: key(
    'A worker that is hung (`service.handover.stall`) is killed and restarted.',
    z.prefault(boolean, false),
  ),
  max_memory: key(
    'A worker whose processes together use more memory than this for 10 s is replaced without losing a request, `512MiB` for example.',
    z.prefault(sizeOrNone, 'none'),
  ),
  backoff: key('The pauses between restarts.', z.prefault(backoff, {})),
});
