import * as z from 'zod/mini';
import { key } from './key.ts';
import { positiveDuration, verbatim } from './scalars.ts';

const hook = z.strictObject({
  run: key('The program and its arguments.', z.array(verbatim).check(z.minLength(1))),
  timeout: key('When it takes longer it is killed, and has failed.', z.prefault(positiveDuration, '30s')),
});

export const hooks = z.strictObject({
  before_reload: key(
    'Before a new generation is started beside one that is there; when it fails, nothing is started.',
    z.exactOptional(hook),
  ),
  after_promote: key(
    'After a generation was promoted and its soak is over, the first one included. When it fails the verdict says so, and nothing else happens.',
    z.exactOptional(hook),
  ),
  after_rollback: key(
    'After a new generation was given up and the old one goes on. When it fails the verdict says so, and nothing else happens.',
    z.exactOptional(hook),
  ),
  on_replace: key(
    'After a worker was replaced (`restart.max_memory`, `liveness`), or could not be replaced. Nothing waits for it.',
    z.exactOptional(hook),
  ),
  on_crash_loop: key(
    'When a worker was restarted 5 times in a row, once for each crash loop. Nothing waits for it.',
    z.exactOptional(hook),
  ),
  on_worker_stalled: key(
    'When a worker has become hung (`service.handover.stall`). Nothing waits for it.',
    z.exactOptional(hook),
  ),
  on_late_rollback: key(
    'After a generation was rolled back that had been promoted already. Nothing waits for it.',
    z.exactOptional(hook),
  ),
  on_recovery: key(
    'When a supervisor continues the service of one that died. Nothing waits for it.',
    z.exactOptional(hook),
  ),
});
