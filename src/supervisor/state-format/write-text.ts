import type { VerifyConfig } from '../../config/index.ts';
import { isSame } from '../../lifecycle/copy.ts';
import type { Generation } from '../../lifecycle/generation.ts';
import type { Process, Situation, Supervisor } from './write.ts';
import { frameDocument, listenerDocument, startedDocument } from './write.ts';
import { generationFrame, workerDocument } from './write-generation.ts';

/**
 * Writes state documents as text. A document is written many times in a handover, and little of it changes from one to
 * the next: the text of each worker, process and listener is kept and used again until that part changes.
 */
export class StateText {
  /** By generation. */
  #workers = new Map<number, PartTexts<number>>();
  readonly #processes = new PartTexts<Process>();
  readonly #listeners = new PartTexts<number>();

  /** A document that `readState` reads, as JSON. */
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
          // What else it has stays the same.
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
  /** Plain data that the text follows from. */
  readonly stamp: unknown;
  readonly write: () => object;
}

/** The texts of the parts of one list, by what names each part. */
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

/** The text of an object that also has these lists, whose elements are texts already. */
function objectText(frame: object, lists: Readonly<Record<string, readonly string[]>>): string {
  const members = Object.entries(lists).map(([name, texts]) => `,"${name}":[${texts.join(',')}]`);
  return `${JSON.stringify(frame).slice(0, -1)}${members.join('')}}`;
}
