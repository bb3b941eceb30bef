import type { Timers } from '../common/clock.ts';
import { errorText } from '../common/errors.ts';
import type { Fact, HandoverOutcome } from '../lifecycle/facts.ts';
import { sendDatagram } from '../linux/datagrams.ts';

export interface ServiceManagerOptions {
  /** $NOTIFY_SOCKET of zero itself: a path, or `@name` in the abstract namespace. */
  readonly socket: string;
  /** The pid of this process. */
  readonly pid: number;
  /** Milliseconds between two `WATCHDOG=1`; null if the manager expects none, see watchdogInterval(). */
  readonly watchdog: number | null;
  /** Milliseconds of CLOCK_MONOTONIC. */
  readonly now: () => number;
  readonly timers: Timers;
  readonly warn: (message: string) => void;
}

/**
 * Milliseconds. While a handover is in progress, zero asks the manager to wait this much longer, each time half of it
 * has passed. A hung supervisor does not ask, so the manager's own timeout ends the wait.
 */
const EXTENSION = 30_000;

interface Progress {
  readonly handover: number;
  /** As in `handover_step`, with the share of a canary. */
  readonly step: string;
}

/**
 * Reports the state of the service to the manager that started zero, such as systemd with Type=notify (sd_notify(3)).
 * The service has a notify socket of its own and never sees this one.
 *
 * - `READY=1`: the first generation serves, a running service was adopted, or a handover has ended. With `MAINPID`
 *   after a recovery, see the fact `supervisor_recovered`.
 * - `RELOADING=1` with `MONOTONIC_USEC`: a handover begins next to a generation that serves.
 * - `EXTEND_TIMEOUT_USEC`: a handover is still in progress.
 * - `STATUS`: the generation that serves, and the step of the handover.
 * - `STOPPING=1`: only `WATCHDOG=1` follows it.
 */
export class ServiceManager {
  readonly #options: ServiceManagerOptions;
  #serving: number | null = null;
  #progress: Progress | null = null;
  #isReloading = false;
  #isStopping = false;
  #status = '';
  #extension: unknown = null;
  #watchdog: unknown = null;
  #hasWarned = false;

  constructor(options: ServiceManagerOptions) {
    this.#options = options;
    this.#feedWatchdog();
  }

  report(fact: Fact): void {
    if (this.#isStopping) return;
    switch (fact.event) {
      case 'handover_started':
        this.#begin(fact.handover);
        return;
      case 'service_starting':
        this.#enter('starting');
        return;
      case 'worker_spawned':
        // Sent after the spawn, because it must not delay the first worker.
        if (this.#serving === null && this.#progress && this.#extension === null) this.#extend();
        return;
      case 'worker_not_ready':
        // zero waits for a first generation without a limit, so the manager's timeout applies.
        if (this.#serving === null) this.#endExtension();
        return;
      case 'handover_step':
        this.#enter(fact.percent === null ? fact.step : `${fact.step} ${fact.percent} %`);
        return;
      case 'generation_promoted':
        this.#promoted(fact.generation);
        return;
      case 'handover_finished':
        this.#end(fact.incumbent, fact.handover, fact.outcome);
        return;
      case 'generation_rolled_back':
        this.#serving = fact.incumbent;
        this.#send([]);
        return;
      case 'service_adopted':
        this.#serving = fact.generation;
        this.#send(['READY=1']);
        return;
      case 'supervisor_recovered':
        this.#serving = fact.incumbent;
        // The manager does not know the pid of a zero that the keeper has started.
        this.#send([...(fact.incumbent === null ? [] : ['READY=1']), `MAINPID=${this.#options.pid}`]);
        return;
      case 'stop_requested':
        this.#endExtension();
        this.#isStopping = true;
        this.#send(['STOPPING=1']);
        return;
      default:
    }
  }

  /** Ends the timers. */
  close(): void {
    this.#endExtension();
    this.#options.timers.clear(this.#watchdog);
    this.#watchdog = null;
  }

  #begin(handover: number): void {
    this.#progress = { handover, step: 'resolving' };
    if (this.#serving === null) return;
    this.#isReloading = true;
    // The manager compares the time with that of its own signal (systemd.service(5), notify-reload).
    this.#extend(['RELOADING=1', `MONOTONIC_USEC=${Math.floor(this.#options.now() * 1000)}`]);
  }

  #enter(step: string): void {
    if (this.#progress === null) return;
    this.#progress = { ...this.#progress, step };
    if (this.#serving !== null) this.#send([]);
  }

  #promoted(generation: number): void {
    const isFirst = this.#serving === null;
    this.#serving = generation;
    if (isFirst) {
      this.#progress = null;
      this.#endExtension();
      this.#send(['READY=1']);
    } else if (this.#progress === null) this.#send([]);
  }

  #end(incumbent: number | null, handover: number, outcome: HandoverOutcome): void {
    this.#progress = null;
    this.#endExtension();
    if (!this.#isReloading) return;
    this.#isReloading = false;
    this.#serving = incumbent;
    const result = outcome === 'promoted' ? '' : `; handover ${handover}: ${outcome.replace('_', ' ')}`;
    this.#send(['READY=1'], result);
  }

  #extend(messages: readonly string[] = []): void {
    const { timers } = this.#options;
    this.#send([...messages, `EXTEND_TIMEOUT_USEC=${EXTENSION * 1000}`]);
    timers.clear(this.#extension);
    this.#extension = timers.set(EXTENSION / 2, () => this.#extend());
  }

  #endExtension(): void {
    this.#options.timers.clear(this.#extension);
    this.#extension = null;
  }

  #feedWatchdog(): void {
    const { watchdog, timers } = this.#options;
    if (watchdog === null) return;
    this.#watchdog = timers.set(watchdog, () => {
      this.#notify('WATCHDOG=1');
      this.#feedWatchdog();
    });
  }

  /** Sends these assignments, and the status if it has changed. */
  #send(messages: readonly string[], result = ''): void {
    const status = this.#describe() + result;
    const lines = status === this.#status ? messages : [...messages, `STATUS=${status}`];
    this.#status = status;
    if (lines.length > 0) this.#notify(lines.join('\n'));
  }

  #describe(): string {
    if (this.#isStopping) return 'stopping';
    const serving = this.#serving === null ? null : `generation ${this.#serving} serves`;
    const progress = this.#progress && `handover ${this.#progress.handover}: ${this.#progress.step}`;
    return [serving, progress].filter((part) => part !== null).join('; ');
  }

  #notify(text: string): void {
    const { socket, warn } = this.#options;
    try {
      sendDatagram(socket, text);
    } catch (error) {
      // Warns once: a missing manager will stay missing.
      if (!this.#hasWarned) warn(`notify the service manager at ${socket}: ${errorText(error)}`);
      this.#hasWarned = true;
    }
  }
}

/**
 * How often the manager expects `WATCHDOG=1` from this process: half of $WATCHDOG_USEC in milliseconds, as
 * sd_watchdog_enabled(3) recommends. null if it expects none, or expects it from another process.
 */
export function watchdogInterval(
  { WATCHDOG_USEC, WATCHDOG_PID }: NodeJS.ProcessEnv,
  pid: number,
): number | null {
  const microseconds = Number(WATCHDOG_USEC);
  if (!WATCHDOG_USEC || !Number.isSafeInteger(microseconds) || microseconds <= 0) return null;
  if (WATCHDOG_PID && Number(WATCHDOG_PID) !== pid) return null;
  return microseconds / 2000;
}
