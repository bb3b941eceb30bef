import * as z from 'zod/mini';
import { formatCloseIdle, parseCloseIdle } from '../values/simple.ts';
import { parseSourceAddress } from '../values/source-address.ts';
import { oneTarget, request, target } from './http-request.ts';
import { key, noted, scalar } from './key.ts';
import { duration, integer, positiveDuration, verbatim } from './scalars.ts';

const percent = noted({ kind: 'number' }, z.number().check(z.gt(0), z.maximum(100)));

const step = z.strictObject({
  percent: key(
    'Share of the new connections that the new generation gets, more than 0 and at most 100.',
    percent,
  ),
  for: key('How long the step lasts.', positiveDuration),
});

const canary = z.strictObject({
  steps: key(
    'Shares that rise from step to step. After the last step the new generation gets all new connections.',
    z.prefault(z.array(step), []),
  ),
  by: key(
    'How the share is chosen: `connection` at random, `address` by client address, so that all connections of an address go to one side.',
    z.prefault(z.enum(['connection', 'address']), 'connection'),
  ),
});

const timeout = key(
  'How long it may take. Default: `timeout` of `verify`.',
  z.exactOptional(positiveDuration),
);

const verify = z
  .strictObject({
    http: key(
      'An HTTP request returns a status that passes.',
      z.exactOptional(z.strictObject({ ...target, ...request, timeout }).check(...oneTarget)),
    ),
    command: key(
      'A command exits with code 0.',
      z.exactOptional(
        z.strictObject({
          run: key('The program and its arguments.', z.array(verbatim).check(z.minLength(1))),
          timeout,
        }),
      ),
    ),
    interval: key('The pause between two checks.', z.prefault(positiveDuration, '5s')),
    timeout: key('How long one check may take.', z.prefault(positiveDuration, '2s')),
    failures: key(
      'After this many failed checks in a row the new generation has failed.',
      z.prefault(integer(1, 1000), 3),
    ),
  })
  .check(
    z.refine(({ http, command }) => http !== undefined || command !== undefined, {
      error: 'missing key "http" or "command"',
    }),
  );

export const handover = z.strictObject({
  mode: key(
    '`steered`: each generation has sockets of its own, and the kernel chooses one of them for each new connection. `shared`: both generations accept from the same socket. `auto`: steered if a listener can be steered.',
    z.prefault(z.enum(['auto', 'steered', 'shared']), 'auto'),
  ),
  preview_from: key(
    'Client addresses, IPv4 or IPv6, or networks such as `10.0.0.0/8`, that reach the new generation as soon as it is ready.',
    z.prefault(z.array(scalar({ kind: 'address' }, parseSourceAddress, (value) => value)), []),
  ),
  preview_timeout: key(
    'zero aborts a preview that was not ended within this time.',
    z.prefault(positiveDuration, '1h'),
  ),
  canary: key(
    'Shares of the new connections that the new generation gets before it is promoted.',
    z.prefault(canary, {}),
  ),
  soak: key(
    'How long the old generation stands by after the promotion, ready to serve again.',
    z.prefault(duration, '0s'),
  ),
  verify: key(
    'Health check that runs from the first canary step until the soak ends. Needs a canary or a soak. A canary step and the soak end only when a check has passed in them and the newest check has not failed.',
    z.exactOptional(verify),
  ),
  stall: key(
    'A worker counts as hung when connections wait for it and it accepts none for this long. That is reported, and other workers serve its connections; see also `restart.on_stall`. Steered listeners only, without those that a list in `readiness.accept` leaves out.',
    z.prefault(positiveDuration, '10s'),
  ),
  settle: key(
    'The minimum time between the last steering change and the shutdown_signal of the old generation.',
    z.prefault(duration, '1s'),
  ),
  drain_timeout: key(
    'How long after `settle` zero waits for open connections to end or become idle.',
    z.prefault(duration, '5s'),
  ),
  close_idle: key(
    'For a service that cannot drain: while its old generation retires, zero ends the receiving side of each TCP connection that has been idle this long, so that the service closes it. `off`, or at least 1s. Do not use it for services whose connections are idle while they are in use (server-sent events, WebSocket, database sessions): see docs/guide/idle-connections.md.',
    z.prefault(
      scalar({ kind: 'off or a duration', json: ['string'] }, parseCloseIdle, formatCloseIdle),
      'off',
    ),
  ),
  max_retiring: key(
    'How many old generations may retire at the same time. With more, the next handover waits.',
    z.prefault(integer(1, 64), 2),
  ),
});
