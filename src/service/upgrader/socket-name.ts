import type { AddressInfo } from 'node:net';
import { hostText } from '../../common/host-port.ts';

/** An address as a program asked for it. `path` of an abstract name starts with NUL. */
export type Asked =
  | { readonly network: 'tcp' | 'udp4' | 'udp6'; readonly host: string | null; readonly port: number }
  | { readonly network: 'unix'; readonly path: string };

/**
 * A text for a requested address, by which a socket is found again: `tcp:127.0.0.1:8080`, `udp4:*:53`,
 * `unix:/run/app.sock`.
 */
export function askedText(asked: Asked): string {
  if (asked.network === 'unix') return `unix:${asked.path.replace(/^\0/, '@')}`;
  return `${asked.network}:${hostOf(asked.host)}:${asked.port}`;
}

/**
 * The same text for the address that the kernel bound. It differs from the requested address if that had any host or
 * any port.
 */
export function boundText(network: 'tcp' | 'udp4' | 'udp6', { address, port }: AddressInfo): string {
  return `${network}:${hostOf(address)}:${port}`;
}

function hostOf(host: string | null): string {
  return host === null || host === '' ? '*' : hostText(host.toLowerCase());
}

/** Whether the program asked for any free port. Every such socket is a different one. */
export const isAnyPort = (asked: Asked): boolean => asked.network !== 'unix' && asked.port === 0;
