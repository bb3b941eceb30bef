import type { Socket } from 'node:net';
import type { Timers } from '../common/clock.ts';

export interface Limits {
  /** Connections at a time. */
  readonly connections: number;
  /** Milliseconds for a request to arrive, and for its answer to be taken. */
  readonly patience: number;
}

/** Answers where there is no request to answer, and ends the connection. */
export type Refuse = (socket: Socket, why: 'overloaded' | 'request_timeout', message: string) => void;

/** What is wanted from the peer of a connection: its request, nothing while that is worked on, or that it takes the answer. */
type Phase =
  | { readonly name: 'requesting'; readonly timer: unknown }
  | { readonly name: 'working' }
  | { readonly name: 'answered'; readonly timer: unknown };

/** Every open connection. Those that have not sent a whole request have a deadline, and the oldest of them makes room for a new one. */
export class Connections {
  readonly #limits: Limits;
  readonly #timers: Timers;
  readonly #refuse: Refuse;
  /** In the order they came. */
  readonly #open = new Map<Socket, Phase>();

  constructor(limits: Limits, timers: Timers, refuse: Refuse) {
    this.#limits = limits;
    this.#timers = timers;
    this.#refuse = refuse;
  }

  /** False where there is no room: all others are being worked on. The connection was then answered and ended. */
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

  /** Its request is here and takes as long as it takes. */
  working(socket: Socket): void {
    if (this.#forget(socket)) this.#open.set(socket, { name: 'working' });
  }

  /** Its answer is written: a peer that does not take it does not keep the connection. */
  answered(socket: Socket): void {
    if (!this.#forget(socket)) return;
    const timer = this.#timers.set(this.#limits.patience, () => socket.destroy());
    this.#open.set(socket, { name: 'answered', timer });
  }

  #makeRoom(): boolean {
    for (const [socket, { name }] of this.#open) {
      if (name === 'working') continue;
      // Forgotten at once: its close event comes later, and the next connection may be accepted before.
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
