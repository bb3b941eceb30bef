import { hostText } from '../common/host-port.ts';
/**
 * Whether a request's Host header is one of this machine's own names. A page from elsewhere that a browser shows can have its name resolve to
 * 127.0.0.1 and would then read what only this machine may (DNS rebinding); it cannot say another Host than its own name.
 * @param own the name in the config, beside localhost and the loopback addresses
 */
export function isOwnHost(header: string | undefined, own: string): boolean {
  // Every browser sends it; without it comes HTTP/1.0.
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
 * Whether a request comes from a page of this endpoint, or from no page at all: a browser sends the header Origin with
 * every request that a page of another origin makes for its script (Fetch standard, "HTTP network-or-cache fetch").
 */
export function isOwnOrigin(origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined) return true;
  const [, authority] = /^https?:\/\/([^/]+)$/.exec(origin.toLowerCase()) ?? [];
  return authority !== undefined && authority === host?.toLowerCase();
}

/** Without its port; an IPv6 address in its brackets. */
function hostOf(header: string): string | null {
  return /^(\[[\da-f:.]+\]|[^\s:@/?#[\]]+)(?::\d{1,5})?$/.exec(header)?.[1] ?? null;
}
