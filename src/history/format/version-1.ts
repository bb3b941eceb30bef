import * as z from 'zod/mini';
import type { HistoryLine } from '../lines.ts';
import { count, executable, hash, reason, result, time } from './parts.ts';

/* Version 1, which zero only reads: lines without a `version`, written before the format had a number. */

export function schemas() {
  const at = time();
  return {
    generation: z.object({
      at,
      event: z.literal('generation'),
      generation: count(),
      rollback_to: z.nullable(count()),
      release: z.object({
        ...executable(),
        environment: z.array(z.string()),
      }),
    }),
    serves: z.object({ at, event: z.literal('serves'), generation: count() }),
    handover: z.object({
      at,
      event: z.literal('handover'),
      ...result(),
      duration: z.number(),
      failure: z.nullable(reason()),
    }),
    rolled_back: z.object({ at, event: z.literal('rolled_back'), generation: count(), failure: reason() }),
    executable: z.object({
      at,
      event: z.literal('executable'),
      generation: count(),
      sha256: z.nullable(hash()),
      not_kept: z.nullable(z.string()),
    }),
    stopped: z.object({ at, event: z.literal('stopped') }),
  };
}

type Schemas = ReturnType<typeof schemas>;
export type Document = z.output<Schemas[keyof Schemas]>;

export function readDocument(document: Document): HistoryLine {
  switch (document.event) {
    case 'generation': {
      const { at, event, generation, rollback_to, release } = document;
      return { at, event, generation, rollbackTo: rollback_to, release };
    }
    case 'executable': {
      const { at, event, generation, sha256, not_kept } = document;
      return { at, event, generation, sha256, notKept: not_kept };
    }
    default:
      return document;
  }
}
