import * as z from 'zod/mini';
import { parseAccept } from '../values/accept.ts';
import { oneTarget, request, target } from './http-request.ts';
import { choiceOrList, key } from './key.ts';
import { boolean, integer, positiveDuration, text, verbatim } from './scalars.ts';

const pace = {
  interval: key('The pause between two attempts.', z.prefault(positiveDuration, '250ms')),
  timeout: key('How long one attempt may take.', z.prefault(positiveDuration, '2s')),
};

const http = z.strictObject({ ...target, ...request, ...pace }).check(...oneTarget);

const tcp = z.strictObject({ ...target, ...pace }).check(...oneTarget);

const command = z.strictObject({
  run: key('The program and its arguments.', z.array(verbatim).check(z.minLength(1))),
  timeout: key('How long it may take.', z.prefault(positiveDuration, '10s')),
});

const accept = choiceOrList(
  {
    kind: 'true, false or a list of listeners',
    json: { anyOf: [{ enum: ['auto', true, false] }, { type: 'array', items: { type: 'string' } }] },
    element: text,
  },
  parseAccept,
);

export const readiness = z.strictObject({
  accept: key(
    'Every worker has accepted a test connection of zero on each steered listener (`true`) or on the listed ones. `auto`: true if a listener is steered.',
    z.prefault(accept, 'auto'),
  ),
  notify: key(
    'The service sends READY=1 to $NOTIFY_SOCKET, as sd_notify(3) does.',
    z.prefault(boolean, false),
  ),
  ready_fd: key(
    'The service writes a line on the descriptor of this number.',
    z.exactOptional(integer(3, 65535)),
  ),
  http: key('An HTTP request returns a status that passes.', z.exactOptional(http)),
  tcp: key('A connection is accepted.', z.exactOptional(tcp)),
  command: key('A command exits with code 0.', z.exactOptional(command)),
  timeout: key(
    'If a gate has not passed within this time, the new generation has failed.',
    z.prefault(positiveDuration, '60s'),
  ),
});
