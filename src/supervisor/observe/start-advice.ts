import type { Fact } from '../../lifecycle/facts.ts';
import type { FactReader } from './reporter.ts';

/** An earlier release that could run instead of one that fails to start. */
export interface GoodRelease {
  readonly generation: number;
  readonly label: string | null;
  /** The source of the executable: its own file, or the copy that zero keeps. */
  readonly from: 'file' | 'copy';
  readonly executable: string;
  /** Its own file. */
  readonly path: string;
}

export interface StartAdviceContext {
  /** The release that served last and differs from that of a generation; null for none. */
  readonly find: (generation: number | null) => Promise<GoodRelease | null>;
  readonly report: (fact: Fact) => void;
  /** False when the supervisor exits, so that no command can reach it. */
  readonly isRunning: () => boolean;
  /** The options that select the instance on a command line. */
  readonly instance: string;
}

/**
 * Reports how to return to a working release, when a start fails and no generation has served since zero was started.
 */
export class StartAdvice implements FactReader {
  readonly #context: StartAdviceContext;
  #isDone = false;

  constructor(context: StartAdviceContext) {
    this.#context = context;
  }

  report(fact: Fact): void {
    if (this.#isDone) return;
    switch (fact.event) {
      case 'generation_promoted':
      case 'stop_requested':
        this.#isDone = true;
        return;
      case 'worker_exited':
        if (!fact.expected) this.#advise(fact.generation);
        return;
      case 'worker_spawn_failed':
        this.#advise(fact.generation);
        return;
      case 'handover_finished':
        if (fact.outcome === 'failed') this.#advise(fact.generation);
        return;
      default:
        return;
    }
  }

  #advise(generation: number | null): void {
    this.#isDone = true;
    const { find, report } = this.#context;
    find(generation).then(
      (good) => good && report({ event: 'warning', about: 'rollback', message: this.#message(good) }),
      (error: unknown) => report({ event: 'warning', about: 'rollback', message: String(error) }),
    );
  }

  #message({ generation, label, from, executable, path }: GoodRelease): string {
    const { isRunning, instance } = this.#context;
    const named = `generation ${generation}${label === null ? '' : ` (${label})`}`;
    const known = `this release does not start, and ${named} served before.`;
    if (isRunning())
      return `${known} To start that release, run: zero rollback --to ${generation} ${instance}`;
    if (from === 'copy')
      return `${known} Its executable is kept. To restore it, run: cp -p ${executable} ${path}`;
    return `${known} Its executable still exists: ${path}`;
  }
}
