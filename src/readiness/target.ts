import type { Address } from '../config/address.ts';

/** The target of a probe as Node's net.connect and, the path renamed, http.request take it. */
export type ConnectOptions = { readonly host: string; readonly port: number } | { readonly path: string };

/** Every interface is reached over loopback; `@name` is an abstract Unix address, whose first byte is NUL (unix(7)). */
export function connectOptions(address: Address): ConnectOptions {
  if (address.kind === 'inet') return { host: reachable(address.host), port: address.port };
  return { path: address.path.startsWith('@') ? `\0${address.path.slice(1)}` : address.path };
}

function reachable(host: string): string {
  if (host === '') return 'localhost';
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}
