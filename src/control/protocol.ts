import * as z from 'zod/mini';
import { parseLabel } from './label.ts';

/*
 * The protocol of the control socket: one HTTP request per connection, JSON bodies. Documents of one version only gain
 * fields, and a reader ignores unknown fields. Requests are strict: a supervisor refuses an unknown field, because
 * without that field it would do something else than the operator asked for. So a command sends a field that was added
 * later only if the operator asked for it. `/v1` in the paths never changes: the version is in the header, see
 * version.ts.
 */

export type * from './documents.ts';
export type * from './status-document.ts';

const nothing = z.strictObject({});

const statusRequest = z.strictObject({
  /** Count the open connections of each generation, and read the CPU time and memory of each worker. */
  connections: z.exactOptional(z.boolean()),
});

const reloadRequest = z.strictObject({
  preview: z.exactOptional(z.boolean()),
  replace: z.exactOptional(z.boolean()),
  /** Limit for the handover, from now. Omitted or null: none. */
  timeout_ms: z.exactOptional(z.nullable(z.number().check(z.positive()))),
  /** false: the answer ends when the request was accepted. */
  wait: z.exactOptional(z.boolean()),
  /** The label of the release, see label.ts. Default: none. */
  label: z.exactOptional(z.string().check(z.refine((text) => 'label' in parseLabel(text)))),
});

const logsRequest = z.strictObject({
  /** Continue with new output. */
  follow: z.exactOptional(z.boolean()),
  /** Only this many last lines. Default: all stored lines. */
  lines: z.exactOptional(z.int().check(z.nonnegative())),
  /** Only the output of this generation. Default: all. */
  generation: z.exactOptional(z.int().check(z.positive())),
  /** Only the output of this worker. Default: all. */
  worker: z.exactOptional(z.int().check(z.nonnegative())),
  /** Only output that was read at or after this time, in milliseconds since 1970. */
  since_unix_ms: z.exactOptional(z.int().check(z.nonnegative())),
});

const rollbackRequest = z.strictObject({
  /** The generation whose release should serve. Omitted or null: the release that served before. */
  to: z.exactOptional(z.nullable(z.int().check(z.positive()))),
  timeout_ms: z.exactOptional(z.nullable(z.number().check(z.positive()))),
  wait: z.exactOptional(z.boolean()),
});

/** The same limit as in the config. */
export const MAX_WORKERS = 256;

const scaleRequest = z.strictObject({
  /** The requested number of workers of the serving generation. */
  workers: z.int().check(z.minimum(1), z.maximum(MAX_WORKERS)),
  /** When the caller stops waiting, from now. Omitted or null: never. */
  timeout_ms: z.exactOptional(z.nullable(z.number().check(z.positive()))),
});

const upgradeRequest = z.strictObject({
  /**
   * Absolute path of the requested zero; only from root and zero's user. Default: the path with which the running one
   * was started.
   */
  path: z.exactOptional(z.string()),
  /** The node that the command runs, used if the supervisor finds no other. */
  node: z.exactOptional(z.string()),
  /** How long the upgrade may wait for a handover or a hook. Omitted or null: without limit. */
  timeout_ms: z.exactOptional(z.nullable(z.number().check(z.positive()))),
});

const waitRequest = z.strictObject({
  /** The handover to wait for. Default: the one in progress, otherwise the last one. */
  handover: z.exactOptional(z.int().check(z.positive())),
});

/**
 * All routes. A GET has its request in the query, a POST in its body. `lines`: the answer is a stream of JSON
 * documents, one per line. Otherwise it is one document, except for `events`: server-sent events.
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
    /** From the header Last-Event-ID, or the query. */
    request: z.strictObject({ last_event_id: z.exactOptional(z.string()) }),
    lines: false,
  },
  logs: { method: 'GET', path: '/v1/logs', request: logsRequest, lines: true },
} as const;

/** The HTTP status of each error code. */
export const errorStatus = {
  bad_request: 400,
  /** The protocol version of the request is too old or too new for this supervisor. */
  unsupported_protocol: 400,
  forbidden: 403,
  not_found: 404,
  /** No data of the generation is stored, or it never existed. */
  unknown_generation: 404,
  /** The handover's result is not stored, or it never existed. */
  unknown_handover: 404,
  method_not_allowed: 405,
  request_timeout: 408,
  /** The command is not possible now, for example nothing to promote. */
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
