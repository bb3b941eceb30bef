import type { Timers } from '../common/clock.ts';
import { errorText } from '../common/errors.ts';
import type { ApplicationConfig } from '../config/schema.ts';
import type { Fact } from '../lifecycle/facts.ts';
import type { WriteTarget } from '../writing/target.ts';
import { createLog } from './log.ts';
import { createSentry } from './sentry.ts';
import { createStatsd } from './statsd.ts';

export interface TelemetryOptions {
  readonly application: Pick<ApplicationConfig, 'logging' | 'metrics' | 'sentry_dsn'>;
  readonly service: { readonly name: string; readonly path: string; readonly directory: string };
  /** The version of zero itself. */
  readonly version: string;
  /** The descriptor and the target of the log without `logging.file`, see LogOptions. */
  readonly fd: number;
  readonly target?: WriteTarget;
  /** `$JOURNAL_STREAM`, see LogOptions. */
  readonly journalStream?: string | undefined;
  /** False with NO_COLOR. Only a terminal gets colour. */
  readonly colour: boolean;
  /** Values that Sentry must not receive, read again for each report. */
  readonly secrets: () => readonly string[];
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Epoch milliseconds. */
  readonly clock: () => number;
  readonly timers: Timers;
}

export interface Telemetry {
  /** Never throws, never waits. */
  report(fact: Fact): void;
  /** Reopens `logging.file`. A failure is reported on `fd`, which the log uses from then on. */
  reopen(): void;
  /** Waits until the log is written, for at most this many milliseconds. */
  flush(deadline: number): Promise<void>;
  /** Writes and sends all pending data, for at most this many milliseconds. */
  close(deadline: number): Promise<void>;
}

interface Receiver {
  report(fact: Fact): void;
  close(deadline: number): Promise<void>;
}

/**
 * The receivers of every fact. Throws Error if `logging.file` cannot be opened. Does not load unconfigured receivers.
 */
export function createTelemetry(options: TelemetryOptions): Telemetry {
  const { application, fd, target, journalStream, colour, clock, timers } = options;
  const log = createLog({
    config: application.logging,
    fd,
    journalStream,
    colour,
    clock,
    timers,
    ...(target && { target }),
  });
  const onExit = (): void => log.flushNow();
  process.on('exit', onExit);
  const receivers = receiversOf(options, (about, message) => log.write({ event: 'warning', about, message }));

  const flush = async (deadline: number): Promise<void> => {
    let timer: unknown = null;
    const late = new Promise<void>((resolve) => {
      timer = timers.set(deadline, resolve);
    });
    await Promise.race([log.drained(), late]);
    timers.clear(timer);
  };

  return {
    flush,
    report(fact) {
      log.write(fact);
      for (const receiver of receivers) receiver.report(fact);
    },
    reopen() {
      try {
        log.reopen();
      } catch (error) {
        const message = errorText(error);
        const meanwhile = 'zero writes its log to standard error. Send SIGUSR1 to open the file again.';
        log.write({ event: 'error', step: 'logging', message: `${message}. ${meanwhile}` });
      }
    },
    async close(deadline) {
      await Promise.all(receivers.map((receiver) => receiver.close(deadline)));
      await flush(deadline);
      process.off('exit', onExit);
      log.flushNow();
      log.close();
    },
  };
}

/** Cheap: node:dgram, node:net and the SDK are loaded with the first data to send. */
function receiversOf(
  { application, service, version, secrets, now, timers }: TelemetryOptions,
  warn: (about: string, message: string) => void,
): Receiver[] {
  const { metrics, sentry_dsn: dsn } = application;
  const { name, path, directory } = service;
  const receivers: Receiver[] = [];
  if (metrics) {
    const warnOf = (message: string): void => warn('metrics', message);
    receivers.push(createStatsd({ config: metrics, name, path, version, now, timers, warn: warnOf }));
  }
  if (dsn !== undefined) {
    const warnOf = (message: string): void => warn('sentry', message);
    const tags = { name, directory, path };
    receivers.push(createSentry({ dsn, release: version, tags, secrets, timers, warn: warnOf }));
  }
  return receivers;
}
