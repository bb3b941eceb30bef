import type { IncomingMessage } from 'node:http';
import { BODY_LIMIT, type ErrorCode } from './protocol.ts';

/** A request that is answered with an error. */
export class RequestError extends Error {
  readonly code: ErrorCode;
  readonly field: string | undefined;

  constructor(code: ErrorCode, message: string, field?: string) {
    super(message);
    this.code = code;
    this.field = field;
  }
}

const tooLarge = () => new RequestError('body_too_large', `the body is larger than ${BODY_LIMIT / 1024} KiB`);

/**
 * The JSON document of a request; an empty body counts as an empty object.
 * @throws RequestError
 */
export async function readBody(request: IncomingMessage): Promise<unknown> {
  // Checked first, so that no unwanted body is read.
  if (Number(request.headers['content-length'] ?? 0) > BODY_LIMIT) throw tooLarge();
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > BODY_LIMIT) throw tooLarge();
  }
  if (length === 0) return {};
  const type = request.headers['content-type'] ?? 'none';
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    throw new RequestError(
      'unsupported_media_type',
      `the body's content-type is ${type}: send application/json`,
    );
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch {
    throw new RequestError('bad_request', 'the body is not JSON');
  }
}
