import * as z from 'zod/mini';
import { type DeepReadonly, failure, milliseconds, orNull } from './document-parts.ts';
import { statusDocument } from './status-document.ts';

/*
 * The documents that a supervisor answers with. `version` is that of the protocol (version.ts). A reader ignores fields
 * that it does not know and takes words such as a state or an outcome as open strings, so that a newer supervisor may
 * have more of them. A schema costs memory and time where it is made, and only a reader needs it: the supervisor takes
 * nothing but types from here.
 */

/** `kind`: `exited` with `code`, `signaled` with `signal` and `core_dumped`, or `unknown`. */
const historyDocument = z.object({
  version: z.int(),
  /** Oldest first. */
  generations: z.array(
    z.object({
      generation: z.int(),
      /** When it was started: ISO 8601, UTC. */
      at: z.string(),
      /** The handover that started it; null where the history does not say. Not sent by earlier releases. */
      handover: z.exactOptional(orNull(z.int())),
      serving: z.boolean(),
      /** The generation whose release it was started from, by a rollback. */
      rollback_to: orNull(z.int()),
      /** How its handover ended; null: it goes on, or nobody saw the end. */
      outcome: orNull(z.string()),
      failure: orNull(z.object({ step: z.string(), reason: z.string() })),
      /** Of its handover. */
      duration_ms: orNull(milliseconds),
      /** How long it served; null: never. */
      served_ms: orNull(milliseconds),
      release: orNull(
        z.object({
          path: z.string(),
          args: z.array(z.string()),
          directory: z.string(),
          /** null: not computed, or not yet. */
          sha256: orNull(z.string()),
          /** Its name. Left out where it has none. */
          label: z.exactOptional(z.string()),
        }),
      ),
      /** Where `zero rollback --to` would take it from: `file`, `copy`, or nowhere and why. */
      rollback: z.object({ from: orNull(z.string()), reason: orNull(z.string()) }),
    }),
  ),
  /** Every handover that has ended, oldest first, also without a generation. Not sent by earlier releases. */
  handovers: z.exactOptional(
    z.array(
      z.object({
        handover: z.int(),
        /** When it ended: ISO 8601, UTC. */
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
  /** Not sent by supervisors from before the header Zero-Protocol. */
  version: z.exactOptional(z.int()),
  /** `promoted`, `rolled_back`, `failed`, `aborted`, `timed_out`, `superseded`, `in_progress`. */
  outcome: z.string(),
  /** The incumbent has no worker that runs; how long until one is started again, null for never. Since protocol 1. */
  down: z.exactOptional(orNull(z.object({ retry_in_ms: orNull(milliseconds) }))),
  handover: orNull(z.int()),
  generation: orNull(z.int()),
  incumbent: orNull(z.int()),
  /** The name of the release that was asked for. Left out where it has none. */
  label: z.exactOptional(z.string()),
  duration_ms: milliseconds,
  failure: orNull(failure),
  /** The hook that ran after it failed. */
  hook: z.exactOptional(failure),
});

/** What happened, with the fields of the JSON log. */
const factDocument = z.looseObject({ event: z.string() });

/**
 * The supervisor is started again when it is killed: a command whose connection breaks asks the next supervisor for the
 * verdict. Left out: it is not.
 */
const restarts = z.exactOptional(z.literal(true));

/** In this order: one `accepted`, any number of `fact`, and one `verdict` unless nobody waits for it. */
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
  /** The generation that serves; null where none does. */
  generation: orNull(z.int()),
  from: z.int(),
  to: z.int(),
  /** How many workers the generation has now, without those that leave. */
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

/** In this order: one `accepted`, any number of `fact`, one `stopped`; the connection ends with the supervisor's process. */
const stopLine = z.union([
  z.object({ accepted: z.object({ pid: z.int(), restarts }) }),
  z.object({ fact: factDocument }),
  z.object({ stopped: z.literal(true) }),
]);

/** In this order: one `accepted`, any number of `fact`, and one of the others. */
const upgradeLine = z.union([
  z.object({ accepted: z.object({ pid: z.int(), zero: z.string() }) }),
  z.object({ fact: factDocument }),
  /** The new program passed its dry run and replaces the old one next: ask again on a new connection. */
  z.object({ upgrading: z.object({ zero: z.string(), node: z.string() }) }),
  /** The old program stays. */
  z.object({ refused: z.object({ message: z.string() }) }),
]);

const signalDocument = z.object({
  generation: z.int(),
  signal: z.string(),
  workers: z.array(z.object({ worker: z.int(), pid: z.int() })),
});

/** The data of a server-sent event: a fact with its time (RFC 3339, UTC); of a `gap`, how many events were missed, null where nobody knows. */
const eventData = z.union([
  z.catchall(z.object({ time: z.string(), event: z.string() }), z.unknown()),
  z.object({ missed: orNull(z.int()) }),
]);

/** What one source wrote, as text or, where it is none, as Base64; or how much before the next line is not kept. */
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
  /** The first line where the output is in files: the path of the current one. */
  z.object({ file: z.object({ path: z.string() }) }),
  /** The last line where the supervisor is replaced by another zero, in its own process: ask that one for the rest. */
  z.object({ upgrading: z.literal(true) }),
]);

export const errorDocument = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    /** The field of the request that is wrong. */
    field: z.exactOptional(z.string()),
  }),
});

/** What each route answers: one document, or the lines of a stream. */
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
