import { isOutOfDescriptors } from '../../common/errors.ts';
import type { ProcessIdentity } from '../../linux/procfs.ts';
import { FIRST_SOCKET_FD, VAULT_FD } from './keeper-script.ts';
import type { KeeperSystem } from './keeper-system.ts';
import { askSender } from './sender-order.ts';
import type { PreviousKeeper } from './socket-keeper.ts';
import { isVaultLink } from './vault.ts';

/** The source of a socket. */
export type SocketSource = 'inherited' | 'service_manager' | 'keeper' | 'sender' | 'workers';

/** Possible sources of the sockets of a dead supervisor. */
export interface KeptSources {
  /** Descriptors of this process that may be sockets, or the vault, of the dead supervisor. */
  readonly inherited: readonly number[];
  /** Like `inherited`, but returned by the service manager. */
  readonly stored: readonly number[];
  readonly keepers: readonly ProcessIdentity[];
}

/** The sockets of a dead supervisor that this process has now, each once. All are close-on-exec. */
export class TakenSockets {
  readonly #system: KeeperSystem;
  readonly #byInode = new Map<number, number>();
  readonly #from = new Set<SocketSource>();
  #vault: number | null = null;

  constructor(system: KeeperSystem) {
    this.#system = system;
  }

  /** Inode of the socket -> descriptor. */
  get byInode(): ReadonlyMap<number, number> {
    return this.#byInode;
  }

  /** The memory file with the supervisor's state; null if none was found. */
  get vault(): number | null {
    return this.#vault;
  }

  /** The sources of the sockets. */
  get from(): readonly SocketSource[] {
    return [...this.#from];
  }

  /** Takes over descriptors of this process. Closes those that are neither a new socket nor the vault. */
  own(fds: readonly number[], from: SocketSource): void {
    const links = new Map(this.#system.descriptorsOf('self').map(({ fd, link }) => [fd, link]));
    for (const fd of fds) {
      this.#system.setCloseOnExec(fd, true);
      if (!this.#keep(fd, links.get(fd) ?? null, from)) this.#system.kernel.closeFd(fd);
    }
  }

  /**
   * Takes missing sockets from another process; with `wanted` only those. Returns false without the necessary
   * permission. Throws if no descriptor is free: an existing socket must not count as lost.
   */
  takeFrom(holder: ProcessIdentity, from: SocketSource, wanted: ReadonlySet<number> | null = null): boolean {
    const { kernel, pidfdGetfd } = this.#system;
    const missing = this.#missing(holder, wanted);
    if (missing.length === 0) return true;
    try {
      const pidfd = kernel.openPidfd(holder.pid);
      try {
        if (kernel.processStat(holder.pid)?.startTime !== holder.startTime) return true;
        for (const { fd, link } of missing) this.#keep(pidfdGetfd(pidfd, fd), link, from);
        return true;
      } finally {
        kernel.closeFd(pidfd);
      }
    } catch (error) {
      if (isOutOfDescriptors(error)) throw error;
      // EPERM, ENOSYS in a sandbox; ESRCH, EBADF: the process exits.
      return this.#missing(holder, wanted).length === 0;
    }
  }

  /** Closes and forgets the sockets that are not wanted. */
  closeUnused(wanted: ReadonlySet<number>): void {
    for (const [inode, fd] of this.#byInode) {
      if (wanted.has(inode)) continue;
      this.#byInode.delete(inode);
      this.#system.kernel.closeFd(fd);
    }
  }

  /** Closes every socket and the vault. Must not be called after another owner has taken a descriptor. */
  close(): void {
    this.closeUnused(new Set());
    if (this.#vault !== null) this.#system.kernel.closeFd(this.#vault);
    this.#vault = null;
  }

  #missing(
    { pid }: ProcessIdentity,
    wanted: ReadonlySet<number> | null,
  ): { readonly fd: number; readonly link: string | null }[] {
    const { descriptorsOf, socketInode } = this.#system;
    const seen = new Set<number>();
    return descriptorsOf(pid).filter(({ fd, link }) => {
      if (wanted === null && isVaultLink(link)) return this.#vault === null;
      const inode = socketInode(link);
      if (inode === null || seen.has(inode) || this.#byInode.has(inode)) return false;
      seen.add(inode);
      return wanted === null ? fd >= FIRST_SOCKET_FD : wanted.has(inode);
    });
  }

  /**
   * A memory file belongs to the user who created it (memfd_create(2)), so no other user can write data that zero
   * executes.
   */
  #isOwn(fd: number): boolean {
    return this.#system.ownerOfFile(fd) === this.#system.uid;
  }

  #keep(fd: number, link: string | null, from: SocketSource): boolean {
    const inode = this.#system.socketInode(link);
    if (inode !== null && !this.#byInode.has(inode)) {
      this.#byInode.set(inode, fd);
      this.#from.add(from);
      return true;
    }
    if (this.#vault !== null || !isVaultLink(link) || !this.#isOwn(fd)) return false;
    this.#vault = fd;
    return true;
  }
}

/**
 * Takes the keepers' sockets, by tracing permission, or else through a program that a keeper starts and that sends the
 * descriptors. The result lacks sockets that cannot be taken. Rejects with the errors of takeFrom().
 */
export async function takeKept(
  { inherited, stored, keepers }: KeptSources,
  runtimeDirectory: string,
  system: KeeperSystem,
): Promise<{ readonly taken: TakenSockets; readonly keepers: readonly PreviousKeeper[] }> {
  const taken = new TakenSockets(system);
  taken.own(inherited, 'inherited');
  taken.own(stored, 'service_manager');
  const previous: PreviousKeeper[] = [];
  for (const keeper of keepers) {
    const orders = taken.takeFrom(keeper, 'keeper')
      ? null
      : await askSender(keeper, runtimeDirectory, system, (fds) => taken.own(fds, 'sender'));
    previous.push({ ...keeper, orders });
  }
  return { taken, keepers: previous };
}

/** The descriptors that this supervisor inherited from its keeper: the vault and the ones after it. */
export function inheritedFromKeeper({ descriptorsOf, socketInode }: KeeperSystem): number[] {
  const links = new Map(descriptorsOf('self').map(({ fd, link }) => [fd, link]));
  const first = links.get(VAULT_FD) ?? null;
  if (!isVaultLink(first) && first !== '/dev/null') return [];
  const found = [VAULT_FD];
  for (let fd = FIRST_SOCKET_FD; socketInode(links.get(fd) ?? null) !== null; fd += 1) found.push(fd);
  return found;
}
