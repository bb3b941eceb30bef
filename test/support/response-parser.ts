/** A complete HTTP/1.x response. Header names are in lower case. Of repeated headers the last one counts. */
export interface Response {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** Whether the server keeps the connection for another request (RFC 9112, 9.3). */
  readonly keepsAlive: boolean;
}

export type Progress =
  | { readonly kind: 'more' }
  | { readonly kind: 'complete'; readonly response: Response }
  | { readonly kind: 'bad'; readonly why: string };

interface Head {
  readonly status: number;
  readonly version: string;
  readonly headers: ReadonlyMap<string, string>;
}

const MORE: Progress = { kind: 'more' };

/**
 * Reads exactly one response to a GET. A malformed status line, header, length or chunk, or a byte behind the end, is
 * `bad`. So a truncated or mixed response is not accepted.
 */
export class ResponseParser {
  #received: Buffer = Buffer.alloc(0);

  /** Whether a byte of the response has arrived. */
  get started(): boolean {
    return this.#received.length > 0;
  }

  feed(chunk: Buffer): Progress {
    this.#received = this.started ? Buffer.concat([this.#received, chunk]) : chunk;
    return this.#parse(false);
  }

  /** The server closed its side, which completes a response without a length. */
  finish(): Progress {
    return this.started ? this.#parse(true) : MORE;
  }

  #parse(atEnd: boolean): Progress {
    const end = this.#received.indexOf('\r\n\r\n');
    if (end < 0) return MORE;
    const head = parseHead(this.#received.toString('latin1', 0, end));
    if (typeof head === 'string') return { kind: 'bad', why: head };
    const rest = this.#received.subarray(end + 4);
    if (head.status < 200) {
      // An interim response announces a final one on the same connection (RFC 9110, 15.2).
      this.#received = rest;
      return this.#parse(atEnd);
    }
    return readBody(head, rest, atEnd);
  }
}

function parseHead(text: string): Head | string {
  const [statusLine = '', ...lines] = text.split('\r\n');
  const [, version, status] = /^HTTP\/(1\.[01]) (\d{3})(?: .*)?$/.exec(statusLine) ?? [];
  if (version === undefined) return `status line ${JSON.stringify(statusLine.slice(0, 80))}`;
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon < 1) return `header line ${JSON.stringify(line.slice(0, 80))}`;
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return { status: Number(status), version, headers };
}

function readBody(head: Head, rest: Buffer, atEnd: boolean): Progress {
  if (/\bchunked\b/i.test(head.headers.get('transfer-encoding') ?? '')) return readChunks(head, rest);
  const length = head.headers.get('content-length');
  if (length !== undefined && !/^\d+$/.test(length)) return { kind: 'bad', why: `content-length ${length}` };
  const bodyless = head.status === 204 || head.status === 304;
  if (length === undefined && !bodyless) return atEnd ? complete(head, rest, false) : MORE;
  const size = bodyless ? 0 : Number(length);
  if (rest.length > size) return { kind: 'bad', why: `${rest.length - size} bytes behind the response` };
  return rest.length === size ? complete(head, rest, true) : MORE;
}

function readChunks(head: Head, rest: Buffer): Progress {
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = rest.indexOf('\r\n', at);
    if (lineEnd < 0) return MORE;
    const line = rest.toString('latin1', at, lineEnd);
    const [, hex] = /^([0-9a-f]+)(?:;.*)?$/i.exec(line) ?? [];
    if (hex === undefined) return { kind: 'bad', why: `chunk size ${JSON.stringify(line.slice(0, 20))}` };
    const size = Number.parseInt(hex, 16);
    const end = lineEnd + 2 + size;
    if (rest.length < end + 2) return MORE;
    if (rest.toString('latin1', end, end + 2) !== '\r\n')
      return { kind: 'bad', why: 'chunk without its end' };
    if (size === 0) {
      if (rest.length > end + 2)
        return { kind: 'bad', why: `${rest.length - end - 2} bytes behind the response` };
      return complete(head, Buffer.concat(parts), true);
    }
    parts.push(rest.subarray(lineEnd + 2, end));
    at = end + 2;
  }
}

function complete(head: Head, body: Buffer, delimited: boolean): Progress {
  const connection = (head.headers.get('connection') ?? '').toLowerCase();
  const wanted = head.version === '1.1' ? connection !== 'close' : connection === 'keep-alive';
  const { status, headers } = head;
  return { kind: 'complete', response: { status, headers, body, keepsAlive: delimited && wanted } };
}
