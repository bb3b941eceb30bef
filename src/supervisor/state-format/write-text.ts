import type { VerifyConfig } from '../../config/index.ts';
import { isSame } from '../../lifecycle/copy.ts';
import type { Generation } from '../../lifecycle/generation.ts';
import type { Process, Situation, Supervisor } from './write.ts';
import { frameDocument, listenerDocument, startedDocument } from './write.ts';
import { generationFrame, workerDocument } from './write-generation.ts';

/**
 * Writes state documents as text. A handover writes many documents, and few parts differ from one to the next. The text
 * of each worker, process and listener is therefore reused until that part changes.
 */
export class StateText {
  /** The texts of workers by generation. */
  #workers = new Map<number, PartTexts<number>>();
  readonly #processes = new PartTexts<Process>();
  readonly #listeners = new PartTexts<number>();

  /** The document as JSON that `readState` reads. */
  of(supervisor: Supervisor, situation: Situation): string {
    const { state, processes, listeners, verifyOf } = situation;
    const workers = this.#workers;
    this.#workers = new Map(state.generations.map(({ id }) => [id, workers.get(id) ?? new PartTexts()]));
    return objectText(frameDocument(supervisor, situation), {
      generations: state.generations.map((generation) =>
        this.#generation(generation, verifyOf(generation.id)),
      ),
      processes: this.#processes.of(
        processes.map((process) => ({
          key: process,
          // The other fields of a process do not change.
          stamp: [process.pid, process.startTime, process.watchdog?.time],
          write: () => startedDocument(process),
        })),
      ),
      listeners: this.#listeners.of(
        listeners.map((listener, index) => ({
          key: index,
          stamp: listener,
          write: () => listenerDocument(listener),
        })),
      ),
    });
  }

  #generation(generation: Generation, verify: VerifyConfig | undefined): string {
    const { id, workers, settings } = generation;
    const texts = this.#workers.get(id) ?? new PartTexts();
    return objectText(generationFrame(generation, verify), {
      workers: texts.of(
        workers.map((worker) => ({
          key: worker.index,
          stamp: worker,
          write: () => workerDocument(worker, settings.gates),
        })),
      ),
    });
  }
}

/** A part of a document. */
interface Part<Key> {
  readonly key: Key;
  /** Plain data that determines the text. */
  readonly stamp: unknown;
  readonly write: () => object;
}

/** The texts of the parts of one list, by the key of each part. */
class PartTexts<Key> {
  #known = new Map<Key, { readonly stamp: unknown; readonly text: string }>();

  of(parts: readonly Part<Key>[]): string[] {
    const before = this.#known;
    this.#known = new Map();
    return parts.map(({ key, stamp, write }) => {
      const known = before.get(key);
      const text = known && isSame(known.stamp, stamp) ? known.text : JSON.stringify(write());
      this.#known.set(key, { stamp, text });
      return text;
    });
  }
}

/** The text of an object with these lists. The elements of the lists are texts already. */
function objectText(frame: object, lists: Readonly<Record<string, readonly string[]>>): string {
  const members = Object.entries(lists).map(([name, texts]) => `,"${name}":[${texts.join(',')}]`);
  return `${JSON.stringify(frame).slice(0, -1)}${members.join('')}}`;
}
