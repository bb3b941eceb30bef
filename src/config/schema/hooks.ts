import * as z from 'zod/mini';
import { key } from './key.ts';
import { positiveDuration, verbatim } from './scalars.ts';

const hook = z.strictObject({
  run: key('The program and its arguments.', z.array(verbatim).check(z.minLength(1))),
  timeout: key(
    'zero kills a hook that takes longer. The hook has failed then.',
    z.prefault(positiveDuration, '30s'),
  ),
});

export const hooks = z.strictObject({
  before_reload: key(
    'Before a new generation is started next to a running one. If the hook fails, nothing is started.',
    z.exactOptional(hook),
  ),
  after_promote: key(
    'After a generation was promoted and its soak has ended, also the first one. If the hook fails, the result reports it, and nothing else happens.',
    z.exactOptional(hook),
  ),
  after_rollback: key(
    'After a handover was rolled back or aborted and the old generation keeps serving. If the hook fails, the result reports it, and nothing else happens.',
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
    'After a generation was rolled back although it had already been promoted. Nothing waits for it.',
    z.exactOptional(hook),
  ),
  on_recovery: key(
    'When a supervisor continues the service of one that died. Nothing waits for it.',
    z.exactOptional(hook),
  ),
});
