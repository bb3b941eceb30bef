import { errorText } from '../../common/errors.ts';
import { sendDatagram } from '../../linux/datagrams.ts';
import { inodeOf } from '../../linux/sockets.ts';
import type { KeptSocket } from '../../listeners/listeners.ts';

/**
 * Stores the sockets and the vault with a service manager that keeps descriptors over a restart of zero: systemd, for a
 * unit with FileDescriptorStoreMax= (FDSTORE in sd_notify(3)). The next zero receives them as passed sockets. The
 * sockets then survive even if the keeper is killed together with its supervisor.
 *
 * Each name contains the inode: systemd ignores a descriptor that it already has under any name, and removes all
 * descriptors of a name at once.
 */
export class DescriptorStore {
  readonly #socket: string;
  readonly #warn: (message: string) => void;
  readonly #stored: Set<string>;
  #hasWarned = false;

  /**
   * @param socket $NOTIFY_SOCKET of zero itself
   * @param stored the names that the manager already has
   */
  constructor(socket: string, stored: readonly string[], warn: (message: string) => void) {
    this.#socket = socket;
    this.#stored = new Set(stored);
    this.#warn = warn;
  }

  /** Stores new descriptors, and removes those that are no longer kept. Never throws. */
  keep(sockets: readonly KeptSocket[], vault: number | null): void {
    const wanted = new Map(sockets.map(({ fd, inode }) => [`zero-${inode}`, fd]));
    try {
      if (vault !== null) wanted.set(`zero-vault-${inodeOf(vault)}`, vault);
      for (const [name, fd] of wanted) this.#store(name, fd);
      for (const name of this.#stored) if (!wanted.has(name)) this.#remove(name);
    } catch (error) {
      // Warns once: a missing manager will stay missing.
      if (!this.#hasWarned)
        this.#warn(`store sockets with the service manager at ${this.#socket}: ${errorText(error)}`);
      this.#hasWarned = true;
    }
  }

  #store(name: string, fd: number): void {
    if (this.#stored.has(name)) return;
    // Without FDPOLL=0 the manager drops a descriptor that hangs up, as a lane does after its service has shut it down.
    sendDatagram(this.#socket, `FDSTORE=1\nFDNAME=${name}\nFDPOLL=0`, [fd]);
    this.#stored.add(name);
  }

  #remove(name: string): void {
    sendDatagram(this.#socket, `FDSTOREREMOVE=1\nFDNAME=${name}`);
    this.#stored.delete(name);
  }
}
