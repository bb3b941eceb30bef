import type { IncomingMessage } from 'node:http';
import { hostText } from '../common/host-port.ts';

/**
 * Why a request without a Host header is refused; null if it has one or needs none (RFC 9112, section 3.2). Node's own
 * answer has no body.
 */
export function missingHost({ headers, httpVersion }: IncomingMessage): string | null {
  return headers.host === undefined && httpVersion === '1.1' ? 'the header Host is missing' : null;
}

/**
 * Whether a request's Host header is one of this machine's own names. A foreign page in a browser can let its name
 * resolve to 127.0.0.1 and would then read data that only this machine may read (DNS rebinding). But its requests
 * always have its own name as Host.
 * @param own the name in the config, in addition to localhost and the loopback addresses
 */
export function isOwnHost(header: string | undefined, own: string): boolean {
  // Every browser sends the header. A request without it is HTTP/1.0.
  if (header === undefined) return true;
  const host = hostOf(header.toLowerCase());
  if (host === null) return false;
  const name = host.replace(/\.$/, '');
  return (
    name === 'localhost' ||
    name.endsWith('.localhost') ||
    name === '[::1]' ||
    /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name) ||
    (own !== '' && name === hostText(own))
  );
}

/**
 * Whether a request comes from a page of this endpoint, or from no page. A browser sends the header Origin with every
 * cross-origin request of a script (Fetch standard, "HTTP network-or-cache fetch").
 */
export function isOwnOrigin(origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined) return true;
  const [, authority] = /^https?:\/\/([^/]+)$/.exec(origin.toLowerCase()) ?? [];
  return authority !== undefined && authority === host?.toLowerCase();
}

/** The host without its port; an IPv6 address keeps its brackets. */
function hostOf(header: string): string | null {
  return /^(\[[\da-f:.]+\]|[^\s:@/?#[\]]+)(?::\d{1,5})?$/.exec(header)?.[1] ?? null;
}
