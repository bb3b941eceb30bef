import { errorText } from '../common/errors.ts';
import type { Fact } from '../lifecycle/facts.ts';
import type { SentryClient, SentryOptions } from './sentry-client.ts';
import { type SentryReport, sentryReportOf } from './sentry-report.ts';

export interface Sentry {
  report(fact: Fact): void;
  /** Sends all pending reports, for at most this many milliseconds. */
  close(deadline: number): Promise<void>;
}

// The DSN format of the SDK. The SDK prints an invalid DSN with its key.
const DSN = /^https?:\/\/\w+(?::\w+)?@[\w.-]+(?::\d+)?\/(?:.+\/)?\d+$/;
const QUEUE = 100;

/** Reports to Sentry. Loads the SDK with the first report. Never throws, never waits. */
export function createSentry(options: SentryOptions): Sentry {
  let client: SentryClient | null = null;
  let loading: Promise<void> | null = null;
  let waiting: SentryReport[] = [];
  const usable = DSN.test(options.dsn);
  if (!usable) options.warn('sentry_dsn is not a valid Sentry DSN: zero reports nothing to Sentry');

  const load = async (): Promise<void> => {
    try {
      const { createSentryClient } = await import('./sentry-client.ts');
      client = createSentryClient(options);
      for (const report of waiting) client.capture(report);
    } catch (error) {
      options.warn(`load the Sentry SDK: ${errorText(error)}`);
    }
    waiting = [];
  };

  return {
    report(fact) {
      const report = usable ? sentryReportOf(fact) : null;
      if (report === null) return;
      if (client !== null) client.capture(report);
      else if (waiting.length < QUEUE) waiting.push(report);
      loading ??= load();
    },
    async close(deadline) {
      if (loading === null) return;
      let timer: unknown = null;
      const late = new Promise<void>((resolve) => {
        timer = options.timers.set(deadline, resolve);
      });
      await Promise.race([loading.then(() => client?.flush(deadline)), late]);
      options.timers.clear(timer);
    },
  };
}
