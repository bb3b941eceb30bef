import type { Fact } from '../../lifecycle/facts.ts';
import { formatAddress } from '../../linux/sockaddr.ts';
import type { ListenerSnapshot } from '../../listeners/listeners.ts';

/** Reports once when a listening socket opens, and once when it closes. */
export class ListenerLog {
  readonly #report: (fact: Fact) => void;
  #last: readonly ListenerSnapshot[] | null = null;
  #known = new Map<number, { listener: string; address: string }>();

  constructor(report: (fact: Fact) => void) {
    this.#report = report;
  }

  /** Compares the current sockets with those of the last call. */
  look(sockets: readonly ListenerSnapshot[]): void {
    if (sockets === this.#last) return;
    this.#last = sockets;
    const now = new Map(
      sockets.map(({ inode, name, address }) => [inode, { listener: name, address: formatAddress(address) }]),
    );
    for (const { inode, fd } of sockets) {
      const socket = now.get(inode);
      if (socket && !this.#known.has(inode)) this.#report({ event: 'listener_bound', ...socket, fd });
    }
    for (const [inode, socket] of this.#known) {
      if (!now.has(inode)) this.#report({ event: 'listener_closed', ...socket });
    }
    this.#known = now;
  }
}
