import { isIP } from 'node:net';

/** An address that a program could not listen on. */
export interface RefusedAddress {
  /** As the program wrote it, without brackets. Null for every address, or if only the port is known. */
  readonly host: string | null;
  readonly port: number;
}

// errno(3): EADDRINUSE is 98 on Linux. The sentences are those of glibc, Node, Go, Python, Rust, Java, Ruby, .NET and
// EventMachine (thin).
const IN_USE =
  /EADDRINUSE|AddrInUse|address (?:is )?already in use|\bport \d+ (?:is|was) (?:already )?in use|is port \d+ in use|connection in use|\bport is in use or/i;

/** Between white space, quotes and brackets. Node writes an IPv6 address without brackets. */
const HOST_AND_PORT = /(?:^|[\s('"/])([^\s('"/]*):(\d{1,5})(?=$|[\s,;)'"\]]|:\s|[.:]$)/g;

/** Node prints the properties of an error after its stack. */
const PROPERTIES_WITHIN = 6;

/**
 * The addresses that a program's output reports as in use, each once: `listen EADDRINUSE: address already in use
 * 127.0.0.1:80` (Node), `listen tcp :80: bind: address already in use` (Go), `('127.0.0.1', 80)` (Python), `for
 * "127.0.0.1" port 80` (Ruby) and so on. Empty if the output reports an address in use without the address, as Python's
 * `OSError: [Errno 98] Address already in use` does. Null if it reports none.
 */
export function addressesInUse(output: readonly string[]): readonly RefusedAddress[] | null {
  const found = new Map<string, RefusedAddress>();
  let reported = false;
  for (const [index, line] of output.entries()) {
    if (!IN_USE.test(line)) continue;
    reported = true;
    const address = addressIn(line) ?? propertiesIn(output.slice(index + 1, index + 1 + PROPERTIES_WITHIN));
    if (address !== null) found.set(`${address.host} ${address.port}`, address);
  }
  return reported ? [...found.values()] : null;
}

function addressIn(line: string): RefusedAddress | null {
  const [, tuple, tuplePort] = /\('([^']*)', (\d{1,5})\b/.exec(line) ?? [];
  if (tuplePort !== undefined) return refused(tuple ?? '', tuplePort);
  const [, ruby, rubyPort] = /\bfor "?([^"\s]+)"? port (\d{1,5})\b/.exec(line) ?? [];
  if (rubyPort !== undefined) return refused(ruby ?? '', rubyPort);
  const pairs = [...line.matchAll(HOST_AND_PORT)].map(([, host = '', port = '']) => ({
    // haproxy writes [10.0.0.1:80], and IPv6 addresses have brackets of their own.
    host: host.replace(/^\[(.*)\]$/, '$1').replace(/^\[/, ''),
    port,
  }));
  const pair = pairs.find(({ host }) => isAddress(host)) ?? pairs.find(({ host }) => isName(host));
  if (pair !== undefined) return refused(pair.host, pair.port);
  const [, port] = /\bport[ :=]+(\d{1,5})\b/i.exec(line) ?? [];
  return port === undefined ? null : refused('', port);
}

function isAddress(text: string): boolean {
  return text === '' || text === '*' || text === 'localhost' || isIP(text) !== 0;
}

/** A time such as `12:34:56` is no name. The position `main.go:12` looks like one, so an address has priority. */
function isName(text: string): boolean {
  return /^[a-z][\w-]*(?:\.[\w-]+)+$/i.test(text);
}

/** `address: '127.0.0.1'` and `port: 80`, one line each. */
function propertiesIn(lines: readonly string[]): RefusedAddress | null {
  const text = lines.join('\n');
  const [, port] = /^\s*port: (\d{1,5}),?$/m.exec(text) ?? [];
  if (port === undefined) return null;
  return refused(/^\s*address: '([^']*)',?$/m.exec(text)?.[1] ?? '', port);
}

function refused(text: string, port: string): RefusedAddress | null {
  const host = text.replace(/^\[(.*)\]$/, '$1');
  const number = Number(port);
  if (number === 0 || number > 65_535) return null;
  return { host: ['', '*', '::', '0.0.0.0'].includes(host) ? null : host, port: number };
}
