/** What writeHead of an http.ServerResponse takes: an object, a flat list of names and values, or a list of pairs. */
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

/** The value of Connection in these headers; undefined where there is none. */
export function connectionIn(headers: Headers): unknown {
  return entriesOf(headers).findLast(([name]) => nameIs(name, 'connection'))?.[1];
}

/**
 * The header Connection that says close whatever it said before. Other names in it stay: they say which headers are only for the next
 * hop (RFC 9110, 7.6.1).
 */
export function closing(value: unknown): string {
  const told = (Array.isArray(value) ? value : [value ?? '']).join(',').split(',');
  const others = told.map((name) => name.trim()).filter((name) => !/^(?:|keep-alive|close)$/i.test(name));
  return [...others, 'close'].join(', ');
}

/** The headers with that Connection in place of their own, and without Keep-Alive, which means nothing then (RFC 2068, 19.7.1.1). Same shape. */
export function withConnection(headers: Headers, value: string): Headers {
  // A name without a value is the caller's mistake, which writeHead names.
  if (Array.isArray(headers) && !isPairs(headers) && headers.length % 2 !== 0) return headers;
  const kept = entriesOf(headers).filter(
    ([name]) => !nameIs(name, 'connection') && !nameIs(name, 'keep-alive'),
  );
  kept.push(['Connection', value]);
  if (!Array.isArray(headers)) return Object.fromEntries(kept);
  return isPairs(headers) ? kept : kept.flat();
}
