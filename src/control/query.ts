import type { IncomingMessage } from 'node:http';
import { RequestError } from './request-body.ts';

/**
 * The fields of a request in its query: `true`, `false` and integers are converted, a name alone means true, anything
 * else is text. The schema reports invalid values.
 * @throws RequestError for a duplicate field
 */
export function queryFields({ url = '' }: IncomingMessage): Record<string, unknown> {
  const at = url.indexOf('?');
  const fields = new Map<string, unknown>();
  if (at < 0) return {};
  for (const [name, text] of new URLSearchParams(url.slice(at))) {
    if (fields.has(name)) throw new RequestError('bad_request', `${name}: duplicate field`, name);
    fields.set(name, parsed(text));
  }
  return Object.fromEntries(fields);
}

function parsed(text: string): unknown {
  if (text === '' || text === 'true') return true;
  if (text === 'false') return false;
  return /^-?\d{1,15}$/.test(text) ? Number(text) : text;
}
