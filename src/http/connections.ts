import type { Socket } from 'node:net';
import type { Timers } from '../common/clock.ts';

export interface Limits {
  /** Maximum number of simultaneous connections. */
  readonly connections: number;
  /** Time limit in milliseconds for receiving a request, and for sending its answer. */
  readonly patience: number;
}

/** Sends an answer without a request, and ends the connection. */
export type Refuse = (socket: Socket, why: 'overloaded' | 'request_timeout', message: string) => void;

/** What zero waits for: the request of the peer, its own answer, or the peer's receipt of the answer. */
type Phase =
  | { readonly name: 'requesting'; readonly timer: unknown }
  | { readonly name: 'working' }
  | { readonly name: 'answered'; readonly timer: unknown };

/**
 * All open connections. Connections without a complete request have a deadline. If the limit is reached, zero closes
 * the oldest of them for a new connection.
 */
export class Connections {
  readonly #limits: Limits;
  readonly #timers: Timers;
  readonly #refuse: Refuse;
  /** In order of arrival. */
  readonly #open = new Map<Socket, Phase>();

  constructor(limits: Limits, timers: Timers, refuse: Refuse) {
    this.#limits = limits;
    this.#timers = timers;
    this.#refuse = refuse;
  }

  /** False if all connections are busy with requests. The new connection was then answered and ended. */
  add(socket: Socket): boolean {
    const { connections, patience } = this.#limits;
    socket.once('close', () => this.#forget(socket));
    if (this.#open.size >= connections && !this.#makeRoom()) {
      this.#refuse(socket, 'overloaded', `${connections} requests are in progress: try again later`);
      return false;
    }
    const late = () =>
      this.#refuse(socket, 'request_timeout', `no complete request within ${patience / 1000} s`);
    this.#open.set(socket, { name: 'requesting', timer: this.#timers.set(patience, late) });
    return true;
  }

  /** The request is complete. Its processing has no time limit. */
  working(socket: Socket): void {
    if (this.#forget(socket)) this.#open.set(socket, { name: 'working' });
  }

  /** The answer is written. A peer that does not receive it must not keep the connection. */
  answered(socket: Socket): void {
    if (!this.#forget(socket)) return;
    const timer = this.#timers.set(this.#limits.patience, () => socket.destroy());
    this.#open.set(socket, { name: 'answered', timer });
  }

  #makeRoom(): boolean {
    for (const [socket, { name }] of this.#open) {
      if (name === 'working') continue;
      // Removed at once: the close event comes later, and the next connection may be accepted before it.
      this.#forget(socket);
      if (name === 'answered') socket.destroy();
      else
        this.#refuse(socket, 'overloaded', 'too many connections without a request: zero closed the oldest');
      return true;
    }
    return false;
  }

  #forget(socket: Socket): boolean {
    const phase = this.#open.get(socket);
    if (phase && phase.name !== 'working') this.#timers.clear(phase.timer);
    return this.#open.delete(socket);
  }
}
