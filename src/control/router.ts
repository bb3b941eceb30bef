import type { IncomingMessage, ServerResponse } from 'node:http';
import * as z from 'zod/mini';
import { errorText } from '../common/errors.ts';
import { missingHost } from '../http/hosts.ts';
import type { Handlers } from './handlers.ts';
import { errorStatus, type RequestOf, type RouteName, routes } from './protocol.ts';
import { queryFields } from './query.ts';
import { errorBody } from './raw-answer.ts';
import { RequestError, readBody } from './request-body.ts';
import { HEADER, type Identity, isCompatible, PROTOCOL, parseProtocol } from './version.ts';

const NAMES = Object.keys(routes) as RouteName[];
const REQUESTS: { readonly [R in RouteName]: { readonly request: z.ZodMiniType<RequestOf<R>> } } = routes;

export interface RouterOptions {
  readonly handlers: Handlers;
  /** The supervisor, for requests with an incompatible version. */
  readonly identity: Identity;
  /** The peer, if it has no permission; null if it has. */
  readonly refused: string | null;
  /** The requesting member of the control group; null for root and zero's own user. */
  readonly member: () => string | null;
  /** Reports a member's forbidden attempt. `what` completes the sentence "MEMBER tried to". */
  readonly attempted: (member: string, what: string) => void;
  /** Called when the whole request has arrived. */
  readonly received: () => void;
  /** Logs one line. */
  readonly warn: (message: string) => void;
}

/** Answers one request. Never rejects and never throws. */
export async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: RouterOptions,
): Promise<void> {
  try {
    if (options.refused !== null) {
      throw new RequestError('forbidden', `${options.refused} may not control this zero`);
    }
    const problem = missingHost(request);
    if (problem !== null) throw new RequestError('bad_request', problem);
    refuseOtherVersions(request, options.identity);
    const name = routeOf(request, options.identity);
    const fields = permittedFields(name, fieldsOf(request, name, await readBody(request)), options);
    // zero has closed the connection for an upgrade. The client sends the request again to the new program.
    if (request.socket.writableEnded) return;
    options.received();
    await dispatch(name, fields, response, options.handlers);
  } catch (error) {
    // The peer closed the connection during its request.
    if (response.destroyed) return;
    if (error instanceof RequestError) sendError(response, error);
    else {
      options.warn(`control request ${request.method} ${request.url}: ${errorText(error)}`);
      sendError(response, new RequestError('internal', 'the request failed. See the log of zero'));
    }
  }
}

/**
 * Checked before anything else in the request, because in an incompatible version the same words may have another
 * meaning. A request without the header is read in this supervisor's version: its sender, such as curl, follows that
 * version's documentation.
 */
function refuseOtherVersions({ headers }: IncomingMessage, { version, name, pid }: Identity): void {
  const header = headers[HEADER.protocol.toLowerCase()];
  if (header === undefined) return;
  const protocol = parseProtocol(String(header));
  if (protocol === null)
    throw new RequestError(
      'bad_request',
      `the header ${HEADER.protocol} must be a whole number of 1 or greater`,
    );
  if (isCompatible(protocol, PROTOCOL)) return;
  const own = `zero ${version} (${name}, pid ${pid}) supports version ${PROTOCOL} of the control protocol and the versions next to it`;
  throw new RequestError('unsupported_protocol', `${own}, the request has version ${protocol}`);
}

function routeOf({ url = '', method }: IncomingMessage, { version }: Identity): RouteName {
  const path = url.replace(/\?.*$/s, '');
  const name = NAMES.find((candidate) => routes[candidate].path === path);
  if (name === undefined) {
    const known = NAMES.map((candidate) => routes[candidate].path).join(', ');
    throw new RequestError('not_found', `unknown path. zero ${version} has ${known}`);
  }
  if (method !== routes[name].method) {
    throw new RequestError('method_not_allowed', `use ${routes[name].method} for ${path}`);
  }
  return name;
}

/**
 * A GET has its fields in the query, a POST in the body. Fields in the other place are refused, because otherwise they
 * would be ignored silently.
 */
function fieldsOf(request: IncomingMessage, name: RouteName, body: unknown): unknown {
  const query = queryFields(request);
  const isGet = request.method === 'GET';
  const elsewhere = isGet ? body : query;
  if (typeof elsewhere !== 'object' || elsewhere === null || Object.keys(elsewhere).length > 0) {
    const problem = `the fields of a ${request.method} are in its ${isGet ? 'query' : 'body'}`;
    throw new RequestError('bad_request', problem);
  }
  if (!isGet) return body;
  const last = request.headers['last-event-id'];
  // Empty: the reader has received no event yet.
  return name === 'events' && last ? { last_event_id: last, ...query } : query;
}

/**
 * A member of the control group may not choose the program of an upgrade, because it runs as zero's user. Every command
 * sends the path of its own node, which zero uses only if root or zero's user sent it.
 */
function permittedFields(name: RouteName, fields: unknown, { member, attempted }: RouterOptions): unknown {
  if (name !== 'upgrade' || typeof fields !== 'object' || fields === null) return fields;
  const who = member();
  if (who === null) return fields;
  if ('path' in fields) {
    attempted(who, 'specify the program of an upgrade');
    throw new RequestError(
      'forbidden',
      `${who} may not specify the program of an upgrade. Only root and the user of zero may. Leave the path out to upgrade to the installed zero`,
    );
  }
  return Object.fromEntries(Object.entries(fields).filter(([field]) => field !== 'node'));
}

async function dispatch<R extends RouteName>(
  name: R,
  fields: unknown,
  response: ServerResponse,
  handlers: Handlers,
): Promise<void> {
  const parsed = z.safeParse(REQUESTS[name].request, fields);
  if (!parsed.success) throw wrongRequest(parsed.error);
  await handlers[name](parsed.data, response);
}

function wrongRequest(error: z.core.$ZodError): RequestError {
  const [issue] = error.issues;
  if (issue === undefined) return new RequestError('bad_request', 'invalid request');
  const unknown = issue.code === 'unrecognized_keys' ? issue.keys[0] : undefined;
  const field = [...issue.path, ...(unknown === undefined ? [] : [unknown])].join('.');
  if (field === '') return new RequestError('bad_request', 'the body is not a JSON object');
  const problem = unknown === undefined ? `${field}: ${explain(issue)}` : `${field}: unknown field`;
  return new RequestError('bad_request', problem, field);
}

function explain(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') return `must be a ${issue.expected}`;
  if (issue.code !== 'too_small') return 'has a wrong value';
  return `must be ${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}`;
}

function sendError(response: ServerResponse, { code, message, field }: RequestError): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const body = errorBody(code, message, field);
  response.writeHead(errorStatus[code], {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
  });
  response.end(body);
}
