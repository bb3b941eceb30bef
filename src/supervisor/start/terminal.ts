import { closeSync, constants, openSync } from 'node:fs';
import { isatty } from 'node:tty';
import { now } from '../../common/clock.ts';
import { processStat } from '../../linux/procfs.ts';
import { reactor, type Watch } from '../../linux/reactor.ts';

/**
 * How long after the terminal was closed a SIGHUP counts as caused by that, in milliseconds. The kernel sends one to the
 * leader of the session. A shell passes it on to its jobs, and when the shell exits the kernel sends another to the job
 * in the foreground.
 */
const CAUSED = 1000;

/** What a SIGHUP means: the terminal was closed (and zero used it, or not), or somebody sent it with kill(1). */
export type Hangup = 'closed' | 'closed, unused' | 'sent';

/** What is asked of the kernel. */
export interface TerminalSystem {
  /** The controlling terminal of this process: 0 without one, null when it cannot be told now. */
  device(): number | null;
  /** Whether a standard stream is a terminal. */
  isUsed(): boolean;
  /** Milliseconds of a clock that only moves forward. */
  now(): number;
}

const SYSTEM: TerminalSystem = {
  device: () => processStat(process.pid)?.terminal ?? null,
  isUsed: () => [0, 1, 2].some((fd) => isatty(fd)),
  now,
};

/**
 * Tells a SIGHUP of a terminal that was closed from one that was sent. Node has no siginfo(7), and a shell sends its own
 * SIGHUP like any other process. But a terminal that was closed is not the controlling terminal any more
 * (tty_signal_session_leader, drivers/tty/tty_io.c), and its descriptor hangs up.
 */
export class ControllingTerminal {
  /** nohup(1) leaves no standard stream on the terminal. The SIGHUP that it ignores is reset by Node at its start. */
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
      // A terminal can be closed without a SIGHUP, by a shell that leaves its jobs alone. One that is sent a day later
      // must not count as caused by that.
      this.#fd = openSync('/dev/tty', constants.O_RDONLY | constants.O_NOCTTY | constants.O_NONBLOCK);
      this.#watch = reactor.watch(this.#fd, () => this.#look(), 'arrival');
    } catch {
      // Then it is only looked at when a SIGHUP arrives.
    }
  }

  /** Why a SIGHUP has arrived just now. */
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
