import { quoted } from '../../common/text.ts';
import { nothingSteered, type SteeringTerms, sharedBecause } from '../steering.ts';
import type { ConfigParts } from '../valid-parts.ts';

/** One listener, as far as it is valid in the file. */
export interface ListenerSteering {
  readonly name: string | undefined;
  readonly tcp: boolean;
  /** Why the listener is not steered; null if it is, or if too much of the file is invalid. */
  readonly shared: string | null;
}

/** The steered listeners, for the rules of keys that need one. */
export class SteeredListeners {
  readonly all: readonly ListenerSteering[];
  readonly terms: SteeringTerms;
  /** False if names or whole listeners are missing because they are invalid in the file. */
  readonly complete: boolean;

  constructor({ service }: ConfigParts) {
    const protocols = service?.runtime?.protocols?.filter((one) => one !== undefined) ?? [];
    this.terms = { handover: { mode: service?.handover?.mode ?? 'auto' }, runtime: { protocols } };
    const listeners = service?.listeners;
    this.complete = listeners?.every((listener) => listener?.name !== undefined) ?? false;
    this.all = (listeners ?? []).map((listener) => {
      const { name, address, steer } = listener ?? {};
      const known = address !== undefined && steer !== undefined;
      return {
        name,
        tcp: address === undefined || address.kind === 'inet',
        shared: known ? sharedBecause({ address, steer }, this.terms) : null,
      };
    });
  }

  /** Why no listener is steered; null if one is. */
  nothing(): string | null {
    if (this.all.some(({ shared }) => shared === null) || (this.all.length === 0 && !this.complete))
      return null;
    if (this.terms.handover.mode === 'shared') return 'service.handover.mode is shared';
    return nothingSteered(this.all.map(({ name = '', shared }) => `${quoted(name)}: ${shared}`));
  }

  /** Why no TCP listener is steered; null if one is. A steered Unix listener belongs to one generation as a whole. */
  noTcp(): string | null {
    const nothing = this.nothing();
    if (nothing !== null) return nothing;
    if (this.all.some(({ tcp, shared }) => tcp && shared === null) || !this.complete) return null;
    return 'a Unix listener is handed over as a whole';
  }
}
