import * as z from 'zod/mini';
import { parseHeaderHost, parseRequestPath } from '../values/http-request.ts';
import { formatStatusRanges, parseStatusRanges } from '../values/status-range.ts';
import { key, scalar } from './key.ts';
import { address, boolean, integer, positiveDuration, verbatim } from './scalars.ts';

const pace = {
  interval: key('The pause between two attempts.', z.prefault(positiveDuration, '250ms')),
  timeout: key('How long one attempt may take.', z.prefault(positiveDuration, '2s')),
};

const http = z.strictObject({
  address: key('An address of the service that is not a listener: `host:port` or `unix:/path`.', address),
  path: key(
    'What is requested.',
    z.prefault(
      scalar({ kind: 'text' }, parseRequestPath, (value) => value),
      '/',
    ),
  ),
  status: key(
    'The answers that count: a status, a range, or several with commas between, `200-299,304`.',
    z.prefault(
      scalar({ kind: 'statuses', json: ['string', 'integer'] }, parseStatusRanges, formatStatusRanges),
      '200-299',
    ),
  ),
  host: key(
    'The Host header. Left out: the address.',
    z.exactOptional(scalar({ kind: 'text' }, parseHeaderHost, (value) => value)),
  ),
  ...pace,
});

const tcp = z.strictObject({
  address: key('An address of the service that is not a listener: `host:port` or `unix:/path`.', address),
  ...pace,
});

const command = z.strictObject({
  run: key('The program and its arguments.', z.array(verbatim).check(z.minLength(1))),
  timeout: key('How long it may take.', z.prefault(positiveDuration, '10s')),
});

export const readiness = z.strictObject({
  notify: key(
    'The service says READY=1 on $NOTIFY_SOCKET, as sd_notify(3) does.',
    z.prefault(boolean, false),
  ),
  ready_fd: key(
    'The service writes a line on the descriptor of this number.',
    z.exactOptional(integer(3, 65535)),
  ),
  http: key('An HTTP request is answered with a good status.', z.exactOptional(http)),
  tcp: key('A connection is accepted.', z.exactOptional(tcp)),
  command: key('A command exits with code 0.', z.exactOptional(command)),
  timeout: key(
    'When not all gates have passed after this long, the new generation has failed.',
    z.prefault(positiveDuration, '60s'),
  ),
});
