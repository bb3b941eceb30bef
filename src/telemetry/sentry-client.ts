import { createTransport, type ErrorEvent, Scope } from '@sentry/core';
import { ServerRuntimeClient } from '@sentry/core/server';
import type { Timers } from '../common/clock.ts';
import { reasonOf } from '../common/errors.ts';
import { createRedact, redactAll } from './redact.ts';
import type { SentryReport } from './sentry-report.ts';
import { postEnvelope } from './sentry-transport.ts';

export interface SentryOptions {
  /** A secret: its key must not reach a log. */
  readonly dsn: string;
  readonly release: string;
  readonly tags: Readonly<Record<string, string>>;
  /** Values that must not leave the machine, mainly of the environment, read again for each report. */
  readonly secrets: () => readonly string[];
  readonly timers: Timers;
  /** One line, for the log. */
  readonly warn: (message: string) => void;
}

/**
 * Sentry's own client, without integrations: it reads neither the environment, the arguments, the modules nor the host.
 */
export interface SentryClient {
  capture(report: SentryReport): void;
  /** Resolves when every report was sent, or after this many milliseconds. */
  flush(deadline: number): Promise<void>;
}

/** The only file that loads the SDK. The bundle keeps it in a separate chunk. */
export function createSentryClient(options: SentryOptions): SentryClient {
  const { dsn, release, tags, secrets, timers, warn } = options;
  let failing = false;
  const client = new ServerRuntimeClient({
    dsn,
    release,
    platform: 'node',
    integrations: [],
    stackParser: () => [],
    attachStacktrace: false,
    includeServerName: false,
    sendClientReports: false,
    traceLifecycle: 'static',
    beforeSend: (event) => scrubbed(event, secrets()),
    transport: ({ url, headers, recordDroppedEvent }) =>
      createTransport({ recordDroppedEvent }, async ({ body }) => {
        try {
          const response = await postEnvelope(body, { url, headers: headers ?? {}, timers });
          failing = false;
          return response;
        } catch (error) {
          if (!failing) warn(`report to Sentry: ${reasonOf(error)}`);
          failing = true;
          throw error;
        }
      }),
  });
  client.init();
  const scope = new Scope();
  scope.setTags({ ...tags });

  return {
    capture({ type, value, fingerprint, extra }) {
      const event: ErrorEvent = {
        type: undefined,
        level: 'error',
        exception: { values: [{ type, value }] },
        fingerprint: [...fingerprint],
        extra: { ...extra },
      };
      client.captureEvent(event, undefined, scope);
    },
    async flush(deadline) {
      await client.flush(deadline);
    },
  };
}

/** Keeps the tags, which identify the instance. Redacts every part that may contain free text. */
function scrubbed(event: ErrorEvent, secrets: readonly string[]): ErrorEvent {
  const redact = createRedact(secrets);
  const { server_name, user, request, modules, breadcrumbs, ...rest } = event;
  return {
    ...rest,
    ...(rest.exception && {
      exception: {
        values: (rest.exception.values ?? []).map(({ value, ...exception }) => ({
          ...exception,
          ...(value !== undefined && { value: redact(value) }),
        })),
      },
    }),
    ...(rest.fingerprint && { fingerprint: rest.fingerprint.map(redact) }),
    extra: Object.fromEntries(
      Object.entries(rest.extra ?? {}).map(([key, value]) => [key, redactAll(value, redact)]),
    ),
  };
}
