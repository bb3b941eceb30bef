import { closeSync, constants, openSync } from 'node:fs';
import { isatty } from 'node:tty';
import { now } from '../../common/clock.ts';
import { processStat } from '../../linux/procfs.ts';
import { reactor, type Watch } from '../../linux/reactor.ts';

/**
 * How long after the terminal was closed a SIGHUP counts as its result, in milliseconds. The kernel sends one to the
 * leader of the session. A shell forwards it to its jobs, and when the shell exits the kernel sends another to the
 * foreground job.
 */
const CAUSED = 1000;

/** The cause of a SIGHUP: the terminal was closed (and zero used it, or not), or a process sent it with kill(1). */
export type Hangup = 'closed' | 'closed, unused' | 'sent';

/** The kernel's part, which tests replace. */
export interface TerminalSystem {
  /** The controlling terminal of this process: 0 without one, null if currently unknown. */
  device(): number | null;
  /** Whether a standard stream is a terminal. */
  isUsed(): boolean;
  /** Milliseconds of a monotonic clock. */
  now(): number;
}

const SYSTEM: TerminalSystem = {
  device: () => processStat(process.pid)?.terminal ?? null,
  isUsed: () => [0, 1, 2].some((fd) => isatty(fd)),
  now,
};

/**
 * Distinguishes a SIGHUP of a closed terminal from one that a process sent. Node has no siginfo(7), and a shell sends
 * its own SIGHUP like any other process. But a closed terminal is no longer the controlling terminal
 * (tty_signal_session_leader, drivers/tty/tty_io.c), and its descriptor hangs up.
 */
export class ControllingTerminal {
  /**
   * nohup(1) redirects every standard stream away from the terminal. It also ignores SIGHUP, but Node resets that at
   * its start.
   */
  readonly #isUsed: boolean;
  readonly #system: TerminalSystem;
  #isOpen: boolean;
  #closedAt = Number.NEGATIVE_INFINITY;
  #fd: number | null = null;
  #watch: Watch | null = null;

  constructor(system: TerminalSystem = SYSTEM) {
    this.#system = system;
    this.#isUsed = system.isUsed();
    this.#isOpen = (system.device() ?? 0) !== 0;
    if (!this.#isOpen) return;
    try {
      // A shell that leaves its jobs running can close a terminal without a SIGHUP. A SIGHUP that is sent a day later
      // must not count as the result.
      this.#fd = openSync('/dev/tty', constants.O_RDONLY | constants.O_NOCTTY | constants.O_NONBLOCK);
      this.#watch = reactor.watch(this.#fd, () => this.#look(), 'arrival');
    } catch {
      // Without a watch, zero checks the terminal only when a SIGHUP arrives.
    }
  }

  /** The cause of a SIGHUP that has just arrived. */
  hangup(): Hangup {
    this.#look();
    if (this.#system.now() - this.#closedAt > CAUSED) return 'sent';
    return this.#isUsed ? 'closed' : 'closed, unused';
  }

  close(): void {
    this.#watch?.close();
    this.#watch = null;
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }

  #look(): void {
    if (!this.#isOpen || this.#system.device() !== 0) return;
    this.#isOpen = false;
    this.#closedAt = this.#system.now();
    this.close();
  }
}
