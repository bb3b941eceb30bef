import { quoted } from '../common/text.ts';
import { isStream, type ListenerAddress } from './address.ts';
import type { Steer } from './values/simple.ts';

/** The keys of a listener that decide whether it is steered. */
export interface SteerableListener {
  readonly address: ListenerAddress;
  readonly steer: Steer;
}

/** The keys of the service that decide whether its listeners are steered. */
export interface SteeringTerms {
  readonly handover: { readonly mode: 'auto' | 'steered' | 'shared' };
  readonly runtime: { readonly protocols: readonly string[] };
}

/** How a generation takes over. `steered`: names of the listeners that have lanes. */
export interface SteeringMode {
  readonly mode: 'steered' | 'shared';
  /** Why no listener is steered, as a phrase; null if one is. */
  readonly reason: string | null;
  readonly steered: readonly string[];
}

/** Why all generations hold the same socket of this listener, as a phrase; null if each has its own lane. Pure. */
export function sharedBecause(
  { address, steer }: SteerableListener,
  { handover, runtime }: SteeringTerms,
): string | null {
  if (handover.mode === 'shared') return 'service.handover.mode is shared';
  if (address.kind === 'passed') return 'a socket that was passed to zero is shared by all generations';
  if (steer === false) return 'its steer is false';
  if (!isStream(address)) return `${address.network} has no connections`;
  if (address.kind === 'inet') return null;
  if (address.path.startsWith('@')) return 'an abstract name cannot be moved from one socket to another';
  if (steer === 'auto') return 'a Unix socket needs steer: true';
  // nginx finds an inherited socket by the path that it is bound to, and a lane's path is not the configured one.
  return runtime.protocols.includes('nginx') ? 'nginx needs a Unix socket under its own path' : null;
}

/** True if each generation has its own lane on this listener. */
export function isSteered(listener: SteerableListener, service: SteeringTerms): boolean {
  return sharedBecause(listener, service) === null;
}

/** How the generations of this config take over, and why not by steering. Pure. */
export function steeringMode(config: {
  readonly service: SteeringTerms & {
    readonly listeners: readonly (SteerableListener & { readonly name: string })[];
  };
}): SteeringMode {
  const { listeners, ...terms } = config.service;
  const steered = listeners.filter((listener) => isSteered(listener, terms)).map(({ name }) => name);
  if (steered.length > 0) return { mode: 'steered', reason: null, steered };
  if (terms.handover.mode === 'shared')
    return { mode: 'shared', reason: 'service.handover.mode is shared', steered };
  const reasons = listeners.map((listener) => `${quoted(listener.name)}: ${sharedBecause(listener, terms)}`);
  return { mode: 'shared', reason: nothingSteered(reasons), steered };
}

/** One phrase from the reasons of all listeners, each with the listener's name in front. */
export function nothingSteered(reasons: readonly string[]): string {
  return reasons.length === 0
    ? 'the config has no listener'
    : `no listener can be steered (${reasons.join('; ')})`;
}
