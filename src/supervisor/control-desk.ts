import type {
  Answer,
  Control,
  ReloadOptions,
  RollbackOptions,
  ScaleOptions,
  Signalled,
} from '../control/control.ts';
import type { HistoryDocument, StatusDocument } from '../control/documents.ts';
import type { Fact } from '../lifecycle/facts.ts';
import type { ScaleResult } from '../lifecycle/scale.ts';
import type { Verdict } from '../lifecycle/verdicts.ts';
import type { Happening } from './engine.ts';

/** Takes the operator's requests to the core, and its answers back to who asked. */
export class ControlDesk implements Control {
  readonly #post: (happening: Happening) => void;
  readonly #status: () => StatusDocument;
  readonly #signal: Control['signal'];
  readonly #history: () => HistoryDocument;
  readonly #verdicts = new Map<string, (verdict: Verdict) => void>();
  readonly #scales = new Map<string, (result: ScaleResult) => void>();
  readonly #answers = new Map<string, (answer: Answer) => void>();
  readonly #listeners = new Set<(fact: Fact) => void>();
  #next = 1;

  constructor(
    post: (happening: Happening) => void,
    status: () => StatusDocument,
    history: () => HistoryDocument,
    signal: Control['signal'],
  ) {
    this.#post = post;
    this.#status = status;
    this.#history = history;
    this.#signal = signal;
  }

  status(): StatusDocument {
    return this.#status();
  }

  reload(options: ReloadOptions, onVerdict: (verdict: Verdict) => void): { readonly ticket: string } {
    const { preview, replace, timeoutMs: timeout } = options;
    const ticket = this.#ticket(onVerdict);
    this.#post({ type: 'reload', by: 'zero reload', ticket, preview, replace, timeout, rollback: null });
    return { ticket };
  }

  rollback(
    { to, timeoutMs: timeout }: RollbackOptions,
    onVerdict: (verdict: Verdict) => void,
  ): { readonly ticket: string } {
    const ticket = this.#ticket(onVerdict);
    const how = { preview: false, replace: false, timeout, rollback: { to } };
    this.#post({ type: 'reload', by: 'zero rollback', ticket, ...how });
    return { ticket };
  }

  scale(
    { workers, timeoutMs: timeout }: ScaleOptions,
    onResult: (result: ScaleResult) => void,
  ): { readonly ticket: string } {
    const ticket = `${this.#next++}`;
    this.#scales.set(ticket, onResult);
    this.#post({ type: 'scale', by: 'zero scale', ticket, workers, timeout });
    return { ticket };
  }

  history(): HistoryDocument {
    return this.#history();
  }

  promote(): Promise<Answer> {
    return this.#ask('promote');
  }

  abort(): Promise<Answer> {
    return this.#ask('abort');
  }

  stop(now: boolean): void {
    this.#post({ type: 'stop', by: 'zero stop', now });
  }

  signal(signal: string): Signalled | { readonly refusal: string } {
    return this.#signal(signal);
  }

  onFact(listener: (fact: Fact) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The effect `verdict`. */
  tell(tickets: readonly string[], verdict: Verdict): void {
    for (const ticket of tickets) {
      this.#verdicts.get(ticket)?.(verdict);
      this.#verdicts.delete(ticket);
    }
  }

  /** The effect `scaled`. */
  scaled(ticket: string, result: ScaleResult): void {
    this.#scales.get(ticket)?.(result);
    this.#scales.delete(ticket);
  }

  /** The effect `answer`. */
  answer(ticket: string, refusal: string | null): void {
    this.#answers.get(ticket)?.(refusal === null ? { ok: true } : { ok: false, message: refusal });
    this.#answers.delete(ticket);
  }

  /** Everything that is reported. */
  report(fact: Fact): void {
    for (const listener of this.#listeners) listener(fact);
  }

  #ticket(onVerdict: (verdict: Verdict) => void): string {
    const ticket = `${this.#next++}`;
    this.#verdicts.set(ticket, onVerdict);
    return ticket;
  }

  #ask(type: 'promote' | 'abort'): Promise<Answer> {
    return new Promise((resolve) => {
      const ticket = `${this.#next++}`;
      this.#answers.set(ticket, resolve);
      this.#post({ type, by: `zero ${type}`, ticket });
    });
  }
}
