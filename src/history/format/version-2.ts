import * as z from 'zod/mini';
import type { HistoryLine } from '../lines.ts';
import { count, executable, hash, path, reason, result, time } from './parts.ts';

/*
 * Version 2, the version that zero writes. A later zero may add fields and events without a new number, because readers
 * ignore unknown ones. Events have the names of the log if both record the same event.
 */

export const VERSION = 2;

export function schemas() {
  const head = { version: z.literal(VERSION), time: time() };
  return {
    generation_started: z.object({
      ...head,
      event: z.literal('generation_started'),
      generation: count(),
      rollback_to: z.nullable(count()),
      /** The handover that started it. */
      handover: z.exactOptional(count()),
      release: z.object({
        ...executable(),
        environment_names: z.array(z.string()),
        /** The files that an interpreter runs, if its arguments name them. */
        scripts: z.exactOptional(z.array(script())),
      }),
    }),
    generation_serving: z.object({ ...head, event: z.literal('generation_serving'), generation: count() }),
    handover_finished: z.object({
      ...head,
      event: z.literal('handover_finished'),
      ...result(),
      duration_ms: z.number(),
      failure: z.nullable(reason()),
    }),
    generation_rolled_back: z.object({
      ...head,
      event: z.literal('generation_rolled_back'),
      generation: count(),
      failure: reason(),
    }),
    executable_hashed: z.object({
      ...head,
      event: z.literal('executable_hashed'),
      generation: count(),
      sha256: z.nullable(hash()),
      /** Why there is no copy of the executable; null: there is one. */
      copy_error: z.nullable(z.string()),
    }),
    release_labelled: z.object({
      ...head,
      event: z.literal('release_labelled'),
      generation: count(),
      label: z.string(),
    }),
    supervisor_stopped: z.object({ ...head, event: z.literal('supervisor_stopped') }),
  };
}

const script = () => z.object({ path: path(), inode: z.number(), size: z.number(), mtime_ms: z.number() });

type Schemas = ReturnType<typeof schemas>;
export type Document = z.output<Schemas[keyof Schemas]>;

export function writeDocument(line: HistoryLine): Document {
  const head = { version: VERSION, time: line.at } as const;
  switch (line.event) {
    case 'generation': {
      const { generation, rollbackTo: rollback_to, handover, release } = line;
      const { path, directory, kind, device, inode, size, mtime_ms, scripts } = release;
      const [args, environment_names] = [[...release.args], [...release.environment]];
      const file = { path, args, directory, kind, device, inode, size, mtime_ms };
      return {
        ...head,
        event: 'generation_started',
        generation,
        rollback_to,
        ...(handover !== undefined && { handover }),
        release: { ...file, environment_names, ...(scripts && { scripts: [...scripts] }) },
      };
    }
    case 'serves':
      return { ...head, event: 'generation_serving', generation: line.generation };
    case 'handover': {
      const { handover, outcome, generation, incumbent, duration: duration_ms, failure } = line;
      const event = 'handover_finished';
      return { ...head, event, handover, outcome, generation, incumbent, duration_ms, failure };
    }
    case 'rolled_back': {
      const { generation, failure } = line;
      return { ...head, event: 'generation_rolled_back', generation, failure };
    }
    case 'executable': {
      const { generation, sha256, notKept: copy_error } = line;
      return { ...head, event: 'executable_hashed', generation, sha256, copy_error };
    }
    case 'label':
      return { ...head, event: 'release_labelled', generation: line.generation, label: line.label };
    case 'stopped':
      return { ...head, event: 'supervisor_stopped' };
  }
}

export function readDocument(document: Document): HistoryLine {
  const { time: at } = document;
  switch (document.event) {
    case 'generation_started': {
      const { generation, rollback_to: rollbackTo, handover } = document;
      const { environment_names: environment, ...file } = document.release;
      const numbers = { generation, rollbackTo, ...(handover !== undefined && { handover }) };
      return { at, event: 'generation', ...numbers, release: { ...file, environment } };
    }
    case 'generation_serving':
      return { at, event: 'serves', generation: document.generation };
    case 'handover_finished': {
      const { handover, outcome, generation, incumbent, duration_ms: duration, failure } = document;
      return { at, event: 'handover', handover, outcome, generation, incumbent, duration, failure };
    }
    case 'generation_rolled_back':
      return { at, event: 'rolled_back', generation: document.generation, failure: document.failure };
    case 'executable_hashed': {
      const { generation, sha256, copy_error: notKept } = document;
      return { at, event: 'executable', generation, sha256, notKept };
    }
    case 'release_labelled':
      return { at, event: 'label', generation: document.generation, label: document.label };
    case 'supervisor_stopped':
      return { at, event: 'stopped' };
  }
}
