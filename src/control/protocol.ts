import * as z from 'zod/mini';
import { parseLabel } from './label.ts';

/*
 * The agreement of both ends of the control socket: one HTTP request a connection, JSON bodies. Documents of one
 * version only ever grow, and a reader ignores fields that it does not know. A request is strict: a supervisor
 * refuses a field that it does not know, because without that field it would do something else than the operator
 * asked for. So a command sends a field that was added later only when the operator asked for it. `/v1` in the paths
 * stays: the version is in the header, see version.ts.
 */

export type * from './documents.ts';
export type * from './status-document.ts';

const nothing = z.strictObject({});

const statusRequest = z.strictObject({
  /** Measure: count the open connections of each generation, and read the CPU time and memory of each worker. */
  connections: z.exactOptional(z.boolean()),
});

const reloadRequest = z.strictObject({
  preview: z.exactOptional(z.boolean()),
  replace: z.exactOptional(z.boolean()),
  /** When it is given up, from now. Left out or null: never. */
  timeout_ms: z.exactOptional(z.nullable(z.number().check(z.positive()))),
  /** false: the answer ends when the request was taken. */
  wait: z.exactOptional(z.boolean()),
  /** The name of the release, see label.ts. Left out: the request gives none. */
  label: z.exactOptional(z.string().check(z.refine((text) => 'label' in parseLabel(text)))),
});

const logsRequest = z.strictObject({
  /** Go on with what is written from now on. */
  follow: z.exactOptional(z.boolean()),
  /** The last lines only. Left out: everything that is kept. */
  lines: z.exactOptional(z.int().check(z.nonnegative())),
  /** What this generation wrote. Left out: all of them. */
  generation: z.exactOptional(z.int().check(z.positive())),
  /** What this worker wrote. Left out: all of them. */
  worker: z.exactOptional(z.int().check(z.nonnegative())),
  /** What was read at this time or later: milliseconds since 1970. */
  since_unix_ms: z.exactOptional(z.int().check(z.nonnegative())),
});

const rollbackRequest = z.strictObject({
  /** The generation whose release is to serve. Left out or null: the release that served before. */
  to: z.exactOptional(z.nullable(z.int().check(z.positive()))),
  timeout_ms: z.exactOptional(z.nullable(z.number().check(z.positive()))),
  wait: z.exactOptional(z.boolean()),
});

/** As many as a config may have. */
export const MAX_WORKERS = 256;

const scaleRequest = z.strictObject({
  /** How many workers the generation that serves is to have. */
  workers: z.int().check(z.minimum(1), z.maximum(MAX_WORKERS)),
  /** When the caller stops waiting, from now. Left out or null: never. */
  timeout_ms: z.exactOptional(z.nullable(z.number().check(z.positive()))),
});

const upgradeRequest = z.strictObject({
  /**
   * Absolute path of the zero that is wanted; only from root and the user of zero. Left out: the path by which the
   * running one was started.
   */
  path: z.exactOptional(z.string()),
  /** The node that the command runs, in case that the supervisor finds no other. */
  node: z.exactOptional(z.string()),
  /** How long the upgrade may wait for a handover or a hook. Left out or null: without end. */
  timeout_ms: z.exactOptional(z.nullable(z.number().check(z.positive()))),
});

const waitRequest = z.strictObject({
  /** The handover whose verdict is wanted. Left out: the one in progress, otherwise the one that ended last. */
  handover: z.exactOptional(z.int().check(z.positive())),
});

/**
 * Every route. A GET takes its request from the query, a POST from its body. `lines`: the answer is a stream of JSON documents, one a line; otherwise it is one document,
 * but for `events`: server-sent events.
 */
export const routes = {
  status: { method: 'GET', path: '/v1/status', request: statusRequest, lines: false },
  reload: { method: 'POST', path: '/v1/reload', request: reloadRequest, lines: true },
  rollback: { method: 'POST', path: '/v1/rollback', request: rollbackRequest, lines: true },
  wait: { method: 'GET', path: '/v1/wait', request: waitRequest, lines: true },
  scale: { method: 'POST', path: '/v1/workers', request: scaleRequest, lines: true },
  history: { method: 'GET', path: '/v1/history', request: nothing, lines: false },
  promote: { method: 'POST', path: '/v1/promote', request: nothing, lines: false },
  abort: { method: 'POST', path: '/v1/abort', request: nothing, lines: false },
  stop: {
    method: 'POST',
    path: '/v1/stop',
    request: z.strictObject({ now: z.exactOptional(z.boolean()) }),
    lines: true,
  },
  upgrade: { method: 'POST', path: '/v1/upgrade', request: upgradeRequest, lines: true },
  signal: {
    method: 'POST',
    path: '/v1/signal',
    /** A name, with or without SIG, or a number. */
    request: z.strictObject({ signal: z.string() }),
    lines: false,
  },
  events: {
    method: 'GET',
    path: '/v1/events',
    /** The header Last-Event-ID, or the query. */
    request: z.strictObject({ last_event_id: z.exactOptional(z.string()) }),
    lines: false,
  },
  logs: { method: 'GET', path: '/v1/logs', request: logsRequest, lines: true },
} as const;

/** Every error's code and its HTTP status. */
export const errorStatus = {
  bad_request: 400,
  /** The version of the request is too far from this supervisor's. */
  unsupported_protocol: 400,
  forbidden: 403,
  not_found: 404,
  /** Nothing of it is kept, or there never was one. */
  unknown_generation: 404,
  /** Nothing is known of its end, or there never was one. */
  unknown_handover: 404,
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
