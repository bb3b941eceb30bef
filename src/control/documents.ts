import * as z from 'zod/mini';
import { type DeepReadonly, failure, milliseconds, orNull } from './document-parts.ts';
import { statusDocument } from './status-document.ts';

/*
 * The documents with which a supervisor answers. `version` is the version of the protocol (version.ts). A reader
 * ignores unknown fields, and treats words such as a state or an outcome as open strings, so that a newer supervisor
 * may add some. A schema costs memory and time where it is created, and only readers need it: the supervisor imports
 * only types from here.
 */

/** `kind`: `exited` with `code`, `signaled` with `signal` and `core_dumped`, or `unknown`. */
const historyDocument = z.object({
  version: z.int(),
  /** Oldest first. */
  generations: z.array(
    z.object({
      generation: z.int(),
      /** When the generation was started: ISO 8601, UTC. */
      at: z.string(),
      /** The handover that started it; null if the history does not contain it. Not sent by earlier releases. */
      handover: z.exactOptional(orNull(z.int())),
      serving: z.boolean(),
      /** The generation whose release a rollback started. */
      rollback_to: orNull(z.int()),
      /** How its handover ended; null: it is in progress, or its end was not recorded. */
      outcome: orNull(z.string()),
      failure: orNull(z.object({ step: z.string(), reason: z.string() })),
      /** Duration of its handover. */
      duration_ms: orNull(milliseconds),
      /** How long the generation served; null: never. */
      served_ms: orNull(milliseconds),
      release: orNull(
        z.object({
          path: z.string(),
          args: z.array(z.string()),
          directory: z.string(),
          /** null: not computed, or not yet. */
          sha256: orNull(z.string()),
          /** The label. Omitted if there is none. */
          label: z.exactOptional(z.string()),
        }),
      ),
      /** The source for `zero rollback --to`: `file`, `copy`, or null with the reason. */
      rollback: z.object({ from: orNull(z.string()), reason: orNull(z.string()) }),
    }),
  ),
  /** All ended handovers, oldest first, including those without a generation. Not sent by earlier releases. */
  handovers: z.exactOptional(
    z.array(
      z.object({
        handover: z.int(),
        /** When the handover ended: ISO 8601, UTC. */
        at: z.string(),
        outcome: z.string(),
        generation: orNull(z.int()),
        incumbent: orNull(z.int()),
        duration_ms: milliseconds,
        failure: orNull(z.object({ step: z.string(), reason: z.string() })),
      }),
    ),
  ),
});

const verdictDocument = z.object({
  /** Not sent by supervisors that are older than the header Zero-Protocol. */
  version: z.exactOptional(z.int()),
  /** `promoted`, `rolled_back`, `failed`, `aborted`, `timed_out`, `superseded`, `in_progress`. */
  outcome: z.string(),
  /** The incumbent has no running worker; the time until one is restarted, null: never. Since protocol 1. */
  down: z.exactOptional(orNull(z.object({ retry_in_ms: orNull(milliseconds) }))),
  handover: orNull(z.int()),
  generation: orNull(z.int()),
  incumbent: orNull(z.int()),
  /** The label of the requested release. Omitted if there is none. */
  label: z.exactOptional(z.string()),
  duration_ms: milliseconds,
  failure: orNull(failure),
  /** The failure of the hook that ran after the handover failed. */
  hook: z.exactOptional(failure),
});

/** An event with the fields of the JSON log. */
const factDocument = z.looseObject({ event: z.string() });

/**
 * The supervisor is restarted if it is killed, so a command whose connection breaks asks the next supervisor for the
 * verdict. Omitted if it is not restarted.
 */
const restarts = z.exactOptional(z.literal(true));

/** In this order: one `accepted`, any number of `fact`, and one `verdict` unless the request has `wait: false`. */
const reloadLine = z.union([
  z.object({ accepted: z.object({ ticket: z.string(), handover: z.exactOptional(z.int()), restarts }) }),
  z.object({ fact: factDocument }),
  z.object({ verdict: verdictDocument }),
]);

/** In this order: one `accepted`, any number of `fact`, and one `verdict`. */
const waitLine = z.union([
  z.object({ accepted: z.object({ handover: z.int(), restarts }) }),
  z.object({ fact: factDocument }),
  z.object({ verdict: verdictDocument }),
]);

const scaleDocument = z.object({
  version: z.int(),
  /** `done`, `failed`, `aborted`, `timed_out`, `superseded`, `in_progress`. */
  outcome: z.string(),
  /** The serving generation; null if there is none. */
  generation: orNull(z.int()),
  from: z.int(),
  to: z.int(),
  /** The current number of workers of the generation, without retiring ones. */
  workers: z.int(),
  duration_ms: milliseconds,
  failure: orNull(failure),
});

/** In this order: one `accepted`, any number of `fact`, and one `result`. */
const scaleLine = z.union([
  z.object({ accepted: z.object({ ticket: z.string() }) }),
  z.object({ fact: factDocument }),
  z.object({ result: scaleDocument }),
]);

/**
 * In this order: one `accepted`, any number of `fact`, one `stopped`. The connection ends with the supervisor's
 * process.
 */
const stopLine = z.union([
  z.object({ accepted: z.object({ pid: z.int(), restarts }) }),
  z.object({ fact: factDocument }),
  z.object({ stopped: z.literal(true) }),
]);

/** In this order: one `accepted`, any number of `fact`, and one of the others. */
const upgradeLine = z.union([
  z.object({ accepted: z.object({ pid: z.int(), zero: z.string() }) }),
  z.object({ fact: factDocument }),
  /** The new program has passed its dry run and will replace the old one: ask again on a new connection. */
  z.object({ upgrading: z.object({ zero: z.string(), node: z.string() }) }),
  /** The old program keeps running. */
  z.object({ refused: z.object({ message: z.string() }) }),
]);

const signalDocument = z.object({
  generation: z.int(),
  signal: z.string(),
  workers: z.array(z.object({ worker: z.int(), pid: z.int() })),
});

/**
 * The data of a server-sent event: a fact with its time (RFC 3339, UTC), or a `gap` with the number of missed events,
 * null if unknown.
 */
const eventData = z.union([
  z.catchall(z.object({ time: z.string(), event: z.string() }), z.unknown()),
  z.object({ missed: orNull(z.int()) }),
]);

/**
 * Output of one source, as text or, if it is not valid text, as Base64; or the number of bytes that were lost before
 * the next line.
 */
const outputLine = z.union([
  z.object({
    output: z.object({
      /** When zero read it: RFC 3339, UTC. Not sent by earlier releases of version 1. */
      time: z.exactOptional(z.string()),
      generation: z.int(),
      worker: z.int(),
      /** `stdout`, `stderr`. */
      stream: z.string(),
      text: z.exactOptional(z.string()),
      base64: z.exactOptional(z.string()),
    }),
  }),
  z.object({ gap: z.object({ bytes: z.int() }) }),
  /** The first line if the output is in files: the path of the current file. */
  z.object({ file: z.object({ path: z.string() }) }),
  /** The last line if another zero replaces the supervisor in its process: ask the new one for the rest. */
  z.object({ upgrading: z.literal(true) }),
]);

export const errorDocument = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    /** The invalid field of the request. */
    field: z.exactOptional(z.string()),
  }),
});

/** The answer of each route: one document, or the lines of a stream. */
export const answers = {
  status: statusDocument,
  reload: reloadLine,
  rollback: reloadLine,
  wait: waitLine,
  scale: scaleLine,
  history: historyDocument,
  promote: z.object({}),
  abort: z.object({}),
  stop: stopLine,
  upgrade: upgradeLine,
  signal: signalDocument,
  events: eventData,
  logs: outputLine,
};

export type AnswerOf<R extends keyof typeof answers> = DeepReadonly<z.output<(typeof answers)[R]>>;

export type HistoryDocument = DeepReadonly<z.output<typeof historyDocument>>;
export type VerdictDocument = DeepReadonly<z.output<typeof verdictDocument>>;
export type ScaleDocument = DeepReadonly<z.output<typeof scaleDocument>>;
export type FailureDocument = NonNullable<VerdictDocument['failure']>;
export type ExitDocument = NonNullable<FailureDocument['exit']>;
export type OutputDocument = DeepReadonly<z.output<typeof outputLine>>;
export type FactDocument = DeepReadonly<z.output<typeof factDocument>>;
