import * as z from 'zod/mini';
import { oneTarget, request, target } from './http-request.ts';
import { key } from './key.ts';
import { integer, positiveDuration, verbatim } from './scalars.ts';

const timeout = key(
  'How long it may take. Default: `timeout` of `liveness`.',
  z.exactOptional(positiveDuration),
);

export const liveness = z
  .strictObject({
    http: key(
      'An HTTP request returns a status that passes.',
      z.exactOptional(z.strictObject({ ...target, ...request, timeout }).check(...oneTarget)),
    ),
    command: key(
      'A command exits with code 0. $ZERO_WORKER and $ZERO_PID specify the worker.',
      z.exactOptional(
        z.strictObject({
          run: key('The program and its arguments.', z.array(verbatim).check(z.minLength(1))),
          timeout,
        }),
      ),
    ),
    watchdog: key(
      'The worker sends WATCHDOG=1 on $NOTIFY_SOCKET at least this often. It receives $WATCHDOG_USEC and $WATCHDOG_PID, as in sd_watchdog_enabled(3).',
      z.exactOptional(positiveDuration),
    ),
    interval: key('The pause between two checks.', z.prefault(positiveDuration, '10s')),
    timeout: key('How long one check may take.', z.prefault(positiveDuration, '2s')),
    failures: key(
      'A worker that fails this many checks in a row is not alive.',
      z.prefault(integer(1, 1000), 3),
    ),
    action: key(
      '`replace`: zero replaces the worker without losing a request. `report`: zero only reports it.',
      z.prefault(z.enum(['replace', 'report']), 'replace'),
    ),
  })
  .check(
    z.refine(
      ({ http, command, watchdog }) => http !== undefined || command !== undefined || watchdog !== undefined,
      { error: 'missing key "http", "command" or "watchdog"' },
    ),
  );
