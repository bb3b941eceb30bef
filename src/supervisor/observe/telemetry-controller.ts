import { now, type Timers } from '../../common/clock.ts';
import type { Config } from '../../config/index.ts';
import type { Fact } from '../../lifecycle/facts.ts';
import { createTelemetry, type Telemetry } from '../../telemetry/dispatch.ts';
import { ServiceManager, watchdogInterval } from '../../telemetry/service-manager.ts';
import type { WriteTarget } from '../../writing/target.ts';

export interface TelemetryContext {
  /** The name of the instance. */
  readonly name: string;
  readonly version: string;
  /** The descriptor of the log without `logging.file`. */
  readonly fd: number;
  readonly target: WriteTarget;
  /** Values that no report may contain, read again for each report. */
  readonly secrets: () => readonly string[];
  readonly timers: Timers;
}

/**
 * The log, statsd and Sentry of the generation that serves, as its config requires, and the service manager that
 * started zero.
 */
export class TelemetryController {
  readonly #context: TelemetryContext;
  #telemetry: Telemetry;
  #config: Config;
  /** Not part of #telemetry, because its reported state must survive a change of the config. */
  readonly #manager: ServiceManager | null;

  /** Throws Error if `logging.file` cannot be opened. */
  constructor(config: Config, context: TelemetryContext) {
    this.#context = context;
    this.#config = config;
    this.#telemetry = this.#open(config);
    this.#manager = this.#openManager();
  }

  /** Never throws, never waits. */
  report(fact: Fact): void {
    this.#telemetry.report(fact);
    this.#manager?.report(fact);
  }

  /** Reopens `logging.file`. */
  reopen(): void {
    this.#telemetry.reopen();
  }

  /**
   * Applies this config. Pending lines and reports of the previous config have `deadline` milliseconds. Throws Error
   * and changes nothing if the config cannot be applied.
   */
  configure(config: Config, deadline: number): void {
    if (partOf(config) === partOf(this.#config)) return;
    const old = this.#telemetry;
    this.#telemetry = this.#open(config);
    this.#config = config;
    void old.close(deadline);
  }

  /** Waits until the log is written, for at most this many milliseconds. */
  flush(deadline: number): Promise<void> {
    return this.#telemetry.flush(deadline);
  }

  /** Writes and sends all pending data, for at most this many milliseconds. */
  close(deadline: number): Promise<void> {
    this.#manager?.close();
    return this.#telemetry.close(deadline);
  }

  #openManager(): ServiceManager | null {
    const { NOTIFY_SOCKET: socket } = process.env;
    if (!socket) return null;
    return new ServiceManager({
      socket,
      pid: process.pid,
      watchdog: watchdogInterval(process.env, process.pid),
      now,
      timers: this.#context.timers,
      warn: (message) => this.#telemetry.report({ event: 'warning', about: 'service_manager', message }),
    });
  }

  #open({ application, service }: Config): Telemetry {
    const { path, directory } = service.runtime;
    const { name, ...context } = this.#context;
    return createTelemetry({
      ...context,
      application,
      service: { name, path, directory },
      journalStream: process.env.JOURNAL_STREAM,
      colour: !process.env.NO_COLOR,
      now,
      clock: Date.now,
    });
  }
}

/** The parts of a config that telemetry depends on, for comparison. */
function partOf({ application: { logging, metrics, sentry_dsn } }: Config): string {
  return JSON.stringify({ logging, metrics, sentry_dsn });
}
