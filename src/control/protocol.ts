import * as z from 'zod/mini';

/*
 * What both ends of the control socket agree on: one HTTP request a connection, JSON bodies. Documents of one version only ever grow: a reader
 * ignores fields that it does not know. What would break a reader gets another path.
 */

export type * from './documents.ts';

const nothing = z.strictObject({});

const reloadRequest = z.strictObject({
  preview: z.exactOptional(z.boolean()),
  replace: z.exactOptional(z.boolean()),
  /** When it is given up, from now. Left out or null: never. */
  timeout_ms: z.exactOptional(z.nullable(z.number().check(z.positive()))),
  /** false: the answer ends when the request was taken. */
  wait: z.exactOptional(z.boolean()),
});

/**
 * Every route. `lines`: the answer is a stream of JSON documents, one a line; otherwise it is one document.
 */
export const routes = {
  status: { method: 'GET', path: '/v1/status', request: nothing, lines: false },
  reload: { method: 'POST', path: '/v1/reload', request: reloadRequest, lines: true },
  promote: { method: 'POST', path: '/v1/promote', request: nothing, lines: false },
  abort: { method: 'POST', path: '/v1/abort', request: nothing, lines: false },
  stop: {
    method: 'POST',
    path: '/v1/stop',
    request: z.strictObject({ now: z.exactOptional(z.boolean()) }),
    lines: true,
  },
} as const;

/** Every error's code and its HTTP status. */
export const errorStatus = {
  bad_request: 400,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  request_timeout: 408,
  /** The command means nothing at the moment: nothing to promote. */
  wrong_state: 409,
  body_too_large: 413,
  unsupported_media_type: 415,
  headers_too_large: 431,
  internal: 500,
  overloaded: 503,
} as const;

export type ErrorCode = keyof typeof errorStatus;

export const BODY_LIMIT = 64 * 1024;

export type Routes = typeof routes;
export type RouteName = keyof Routes;
export type RequestOf<R extends RouteName> = z.output<Routes[R]['request']>;
/** Routes whose answer is a stream of lines. */
export type StreamName = { [R in RouteName]: Routes[R]['lines'] extends true ? R : never }[RouteName];
