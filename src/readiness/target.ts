import type { Socket } from 'node:net';
import type { Address } from '../config/address.ts';
import { type OpenProbe, probeSocket } from './probes.ts';

/** Exactly one of the two is set; the config is checked for that. */
export interface Target {
  /** The worker's own lane of this listener. */
  readonly listener?: string;
  readonly address?: Address;
}

/** The target of a probe in the form of Node's net.connect and, with the path renamed, of http.request. */
export type ConnectOptions = { readonly host: string; readonly port: number } | { readonly path: string };

/** The name in reports: `listener http`, `tcp:127.0.0.1:80`. */
export function nameTarget({ listener, address }: Target): string {
  return listener === undefined ? (address?.text ?? '') : `listener ${listener}`;
}

/** A socket that is connecting or connected. Rejects if the listener's probe cannot be opened. */
export async function connectTo(target: Target, open: OpenProbe | null): Promise<Socket> {
  if (target.address !== undefined) {
    // Loaded here: a service without such a gate does not need it.
    const { connect } = await import('node:net');
    return connect(connectOptions(target.address));
  }
  if (open === null || target.listener === undefined) throw new Error('the listener is not steered');
  return probeSocket(open, target.listener);
}

/**
 * A wildcard address is reached over loopback. `@name` is an abstract Unix address, whose first byte is NUL (unix(7)).
 */
export function connectOptions(address: Address): ConnectOptions {
  if (address.kind === 'inet') return { host: reachable(address.host), port: address.port };
  return { path: address.path.startsWith('@') ? `\0${address.path.slice(1)}` : address.path };
}

function reachable(host: string): string {
  if (host === '') return 'localhost';
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}
