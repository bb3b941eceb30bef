import * as z from 'zod/mini';
import {
  formatStatusRanges,
  parseHeaderHost,
  parseRequestPath,
  parseStatusRanges,
} from '../values/http-request.ts';
import { key, scalar } from './key.ts';
import { address, text } from './scalars.ts';

/** The target of a probe: a listener or an address. */
export const target = {
  listener: key(
    'Name of the steered listener that zero connects to. The connection reaches exactly the tested worker.',
    z.exactOptional(text),
  ),
  address: key(
    'Instead of `listener`: an address of the service that is not a listener, `host:port` or `unix:/path`.',
    z.exactOptional(address),
  ),
};

interface Target {
  readonly listener?: unknown;
  readonly address?: unknown;
}

/** Requires exactly one of the two. */
export const oneTarget = [
  z.refine<Target>(({ listener, address: own }) => listener !== undefined || own !== undefined, {
    error: 'missing key "listener" or "address"',
  }),
  z.refine<Target>(({ listener, address: own }) => listener === undefined || own === undefined, {
    error: 'listener is given already: one of the two',
    path: ['address'],
  }),
] as const;

/** The request, and the response that passes. */
export const request = {
  path: key(
    'The path of the request.',
    z.prefault(
      scalar({ kind: 'text' }, parseRequestPath, (value) => value),
      '/',
    ),
  ),
  status: key(
    'The statuses that pass: a status, a range, or several separated by commas, `200-299,304`.',
    z.prefault(
      scalar({ kind: 'statuses', json: ['string', 'integer'] }, parseStatusRanges, formatStatusRanges),
      '200-299',
    ),
  ),
  host: key(
    'The Host header. Default: the address.',
    z.exactOptional(scalar({ kind: 'text' }, parseHeaderHost, (value) => value)),
  ),
};
