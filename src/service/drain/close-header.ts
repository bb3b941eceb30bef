/**
 * The headers that writeHead of an http.ServerResponse accepts: an object, a flat list of names and values, or a list
 * of pairs.
 */
export type Headers = Readonly<Record<string, unknown>> | readonly unknown[];

const isPairs = (list: readonly unknown[]): boolean => Array.isArray(list[0]);

function entriesOf(headers: Headers): [string, unknown][] {
  if (!Array.isArray(headers)) return Object.entries(headers);
  if (isPairs(headers)) return headers as [string, unknown][];
  return Array.from({ length: headers.length >> 1 }, (_, index) => [
    headers[2 * index] as string,
    headers[2 * index + 1],
  ]);
}

const nameIs = (name: unknown, wanted: string): boolean => String(name).toLowerCase() === wanted;

/** The value of Connection in these headers; undefined if the header is missing. */
export function connectionIn(headers: Headers): unknown {
  return entriesOf(headers).findLast(([name]) => nameIs(name, 'connection'))?.[1];
}

/**
 * The value of the header Connection with `close` added. Other names in it are kept: they list the headers that apply
 * only to the next hop (RFC 9110, 7.6.1).
 */
export function closing(value: unknown): string {
  const tokens = (Array.isArray(value) ? value : [value ?? '']).join(',').split(',');
  const others = tokens.map((name) => name.trim()).filter((name) => !/^(?:|keep-alive|close)$/i.test(name));
  return [...others, 'close'].join(', ');
}

/**
 * The headers with this value of Connection instead of their own, and without Keep-Alive, which is meaningless with
 * `close` (RFC 2068, 19.7.1.1). Keeps the shape of the headers.
 */
export function withConnection(headers: Headers, value: string): Headers {
  // A name without a value is an error of the caller. writeHead reports it.
  if (Array.isArray(headers) && !isPairs(headers) && headers.length % 2 !== 0) return headers;
  const kept = entriesOf(headers).filter(
    ([name]) => !nameIs(name, 'connection') && !nameIs(name, 'keep-alive'),
  );
  kept.push(['Connection', value]);
  if (!Array.isArray(headers)) return Object.fromEntries(kept);
  return isPairs(headers) ? kept : kept.flat();
}
