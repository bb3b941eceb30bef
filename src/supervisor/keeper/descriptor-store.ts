import { sendDatagram } from '../../linux/datagrams.ts';
import { inodeOf } from '../../linux/sockets.ts';
import type { KeptSocket } from '../../listeners/listeners.ts';

/**
 * Gives the sockets and the vault to a service manager that keeps descriptors over a restart of zero: systemd, for a
 * unit with FileDescriptorStoreMax= (FDSTORE in sd_notify(3)). They come back as passed sockets. A keeper that was
 * killed together with its supervisor is then no loss.
 *
 * Each has a name with its inode, because systemd ignores a descriptor that it has already, under whatever name, and
 * removes all of a name at once.
 */
export class DescriptorStore {
  readonly #socket: string;
  readonly #warn: (message: string) => void;
  readonly #stored: Set<string>;
  #hasWarned = false;

  /**
   * @param socket $NOTIFY_SOCKET of zero itself
   * @param stored names of what the manager has already
   */
  constructor(socket: string, stored: readonly string[], warn: (message: string) => void) {
    this.#socket = socket;
    this.#stored = new Set(stored);
    this.#warn = warn;
  }

  /** Stores what is new, and removes what is not kept any more. Never throws. */
  keep(sockets: readonly KeptSocket[], vault: number | null): void {
    const wanted = new Map(sockets.map(({ fd, inode }) => [`zero-${inode}`, fd]));
    try {
      if (vault !== null) wanted.set(`zero-vault-${inodeOf(vault)}`, vault);
      for (const [name, fd] of wanted) this.#store(name, fd);
      for (const name of this.#stored) if (!wanted.has(name)) this.#remove(name);
    } catch (error) {
      // A manager that is missing now will be missing the next time, too.
      if (!this.#hasWarned)
        this.#warn(`store sockets with the service manager at ${this.#socket}: ${(error as Error).message}`);
      this.#hasWarned = true;
    }
  }

  #store(name: string, fd: number): void {
    if (this.#stored.has(name)) return;
    // Without FDPOLL=0 the manager drops a descriptor that hangs up, as a lane does that a service shuts down.
    sendDatagram(this.#socket, `FDSTORE=1\nFDNAME=${name}\nFDPOLL=0`, [fd]);
    this.#stored.add(name);
  }

  #remove(name: string): void {
    sendDatagram(this.#socket, `FDSTOREREMOVE=1\nFDNAME=${name}`);
    this.#stored.delete(name);
  }
}
