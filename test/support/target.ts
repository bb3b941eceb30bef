/** The address for a client, in the form of net.connect. */
export type Target = { readonly host: string; readonly port: number } | { readonly path: string };

/**
 * Parses an address as listeners and log lines write it: `8080`, `:8080`, `127.0.0.1:80`, `[::1]:80`, `tcp:...`,
 * `/path`, `unix:/path`, `unix:@abstract`. A wildcard becomes the loopback address of its family. Throws for other
 * text.
 */
export function parseTarget(text: string): Target {
  const [, network = '', rest = ''] = /^(?:(tcp[46]?|unix):(?!\d+$))?(.*)$/s.exec(text) ?? [];
  if (network === 'unix' || rest.startsWith('/') || rest.startsWith('@')) {
    // Node takes an abstract name with the leading NUL byte that the kernel uses (unix(7)).
    return { path: rest.startsWith('@') ? `\0${rest.slice(1)}` : rest };
  }
  const [, inner, plain, port] = /^(?:(?:\[([^\]]*)\]|([^:[\]]*)):)?(\d+)$/.exec(stripNetwork(text)) ?? [];
  if (port === undefined) throw new Error(`not an address to connect to: ${JSON.stringify(text)}`);
  const host = inner ?? plain ?? '';
  return { host: loopback(host, network), port: Number(port) };
}

function stripNetwork(text: string): string {
  return text.replace(/^tcp[46]?:(?=.*:|\d+$)/, '');
}

function loopback(host: string, network: string): string {
  if (host === '' || host === '0.0.0.0') return network === 'tcp6' ? '::1' : '127.0.0.1';
  return host === '::' ? '::1' : host;
}
