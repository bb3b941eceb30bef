import type { Kernel } from '../../linux/kernel.ts';
import { killSessions } from '../../workers/processes/stopper.ts';

/**
 * Kills the other processes of workers whose main process got SIGKILL, in the next turn of the event loop: one listing
 * of /proc finds those of all workers. Whatever remains when a main process has exited is killed again, see Remains.
 */
export class SessionKiller {
  readonly #kernel: Kernel;
  #waiting: (() => number | null)[] = [];

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /**
   * @param session called in the next turn: the session; null if all processes of the worker have exited, after which
   * the number may mean another session
   */
  add(session: () => number | null): void {
    if (this.#waiting.push(session) === 1) this.#kernel.defer(() => this.#kill());
  }

  #kill(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    const sessions = waiting.flatMap((session) => session() ?? []);
    if (sessions.length > 0) killSessions(this.#kernel, sessions);
  }
}
