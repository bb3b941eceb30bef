import { isSystemFailure } from '../common/errors.ts';
import type { Datagram } from '../linux/datagrams.ts';
import type { DatagramCalls, DescriptorCalls } from '../linux/kernel.ts';
import { type NotifyMessage, parseNotification } from './notify-message.ts';

export interface Sender {
  readonly pid: number;
  readonly uid: number;
}

/** Where gates, and the handling of MAINPID, receive the messages of a worker. */
export interface NotifySource {
  /** True once READY=1 was received, even before the first subscription. */
  readonly ready: boolean;
  /** Returns a function that ends the subscription. */
  subscribe(listener: (message: NotifyMessage, sender: Sender) => void): () => void;
}

type NotifyCalls = DatagramCalls & Pick<DescriptorCalls, 'watch' | 'closeFd'>;

export interface NotifySocketOptions {
  readonly kernel: NotifyCalls;
  /** In the runtime directory; at most 107 bytes (sun_path, unix(7)). */
  readonly path: string;
  /** The user of the worker, who owns the socket with mode 0600. This user, root and zero's own user may send. */
  readonly owner: { readonly uid: number; readonly gid: number };
  /** One line, for the log. */
  readonly warn: (message: string) => void;
}

// Limit for one turn of the event loop. The reactor is level-triggered and calls again for the rest.
const DATAGRAMS_PER_TURN = 64;
// The kernel queues net.unix.max_dgram_qlen datagrams (10 by default, 512 with systemd). More may follow meanwhile.
const DATAGRAMS_PER_DRAIN = 4_096;
// A worker's socket warns about this many foreign users. A longer list adds nothing.
const FOREIGN_USERS = 8;

/**
 * One worker's NOTIFY_SOCKET. The sender's user decides whether a message is accepted, never its pid: the sender
 * (systemd-notify) may have exited before it can be looked up. Throws SystemError from the bind.
 */
export class NotifySocket implements NotifySource {
  readonly path: string;
  readonly #kernel: NotifyCalls;
  readonly #owner: NotifySocketOptions['owner'];
  #fd: number;
  #watch: { close(): void };
  readonly #allowed: ReadonlySet<number>;
  readonly #warn: (message: string) => void;
  readonly #listeners = new Set<(message: NotifyMessage, sender: Sender) => void>();
  readonly #foreign = new Set<number>();
  #ready = false;
  #failed = false;
  #ignored = 0;
  #open = true;

  constructor({ kernel, path, owner, warn }: NotifySocketOptions) {
    this.#kernel = kernel;
    this.path = path;
    this.#warn = warn;
    this.#allowed = new Set([owner.uid, 0, process.getuid?.() ?? owner.uid]);
    this.#owner = owner;
    const { fd, watch } = this.#bind();
    this.#fd = fd;
    this.#watch = watch;
  }

  get ready(): boolean {
    return this.#ready;
  }

  /** Number of datagrams that were not notifications. */
  get ignored(): number {
    return this.#ignored;
  }

  subscribe(listener: (message: NotifyMessage, sender: Sender) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Passes on every waiting datagram, without waiting for more. Call this before evaluating the exit of a possible
   * sender: a process may send MAINPID= immediately before it exits.
   */
  drain(): void {
    this.#receive(DATAGRAMS_PER_DRAIN);
  }

  /**
   * Binds another socket under the same name after its file was removed. Throws SystemError and leaves the socket
   * unchanged.
   */
  rebind(): void {
    if (!this.#open) return;
    const { fd, watch } = this.#bind();
    this.drain();
    this.#watch.close();
    this.#kernel.closeFd(this.#fd);
    this.#fd = fd;
    this.#watch = watch;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#listeners.clear();
    this.#watch.close();
    this.#kernel.closeFd(this.#fd);
    this.#removeName();
  }

  #bind(): { readonly fd: number; readonly watch: { close(): void } } {
    const fd = this.#kernel.createDatagramSocket(this.path, { ...this.#owner, mode: 0o600 });
    try {
      return { fd, watch: this.#kernel.watch(fd, () => this.#receive(DATAGRAMS_PER_TURN)) };
    } catch (error) {
      this.#kernel.closeFd(fd);
      this.#removeName();
      throw error;
    }
  }

  #removeName(): void {
    try {
      this.#kernel.unlink(this.path);
    } catch {
      // The service or a cleanup job has already removed the file. Another start uses another name.
    }
  }

  #receive(limit: number): void {
    for (let count = 0; count < limit && this.#open; count += 1) {
      const datagram = this.#next();
      if (datagram === null) return;
      // zero stores no descriptors, and closing one answers a barrier.
      for (const fd of datagram.fds) this.#kernel.closeFd(fd);
      this.#take(datagram);
    }
  }

  #next(): Datagram | null {
    try {
      return this.#kernel.receiveDatagram(this.#fd);
    } catch (error) {
      if (!isSystemFailure(error)) throw error;
      // recvmsg(2): ENOMEM. The datagram still waits, and the reactor calls again.
      if (!this.#failed) this.#warn(`notify socket ${this.path}: ${error.message}. zero tries again.`);
      this.#failed = true;
      return null;
    }
  }

  #take({ data, sender, truncated }: Datagram): void {
    if (sender === null || !this.#allowed.has(sender.uid)) {
      this.#refuse(sender);
      return;
    }
    const messages = truncated ? null : parseNotification(data);
    if (messages === null) {
      this.#ignored += 1;
      if (this.#ignored === 1) {
        const what = truncated ? 'a message of more than 4096 bytes' : 'a message that is not KEY=VALUE';
        this.#warn(
          `notify socket ${this.path}: ignored ${what} from pid ${sender.pid}. Further ones are ignored without a report`,
        );
      }
      return;
    }
    for (const message of messages) {
      if (message.kind === 'ready') this.#ready = true;
      for (const listener of this.#listeners) listener(message, sender);
    }
  }

  #refuse(sender: Sender | null): void {
    const uid = sender?.uid ?? -1;
    if (this.#foreign.has(uid) || this.#foreign.size >= FOREIGN_USERS) return;
    this.#foreign.add(uid);
    const who = sender === null ? 'an unknown sender' : `uid ${sender.uid} (pid ${sender.pid})`;
    this.#warn(
      `notify socket ${this.path}: refused a message from ${who}: only the user of the worker may send messages`,
    );
  }
}
