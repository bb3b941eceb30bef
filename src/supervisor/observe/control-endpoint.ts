import type {
  Accepted,
  Answer,
  Awaited,
  Control,
  ReloadOptions,
  RollbackOptions,
  ScaleOptions,
  Signalled,
  UpgradeAnswer,
  UpgradeOptions,
} from '../../control/control.ts';
import type { HistoryDocument } from '../../control/documents.ts';
import type { StatusDocument } from '../../control/status-document.ts';
import type { RecordedHandover } from '../../history/handovers.ts';
import type { Reload } from '../../lifecycle/events.ts';
import type { Fact, Outcome } from '../../lifecycle/facts.ts';
import type { ScaleResult } from '../../lifecycle/scale.ts';
import type { State } from '../../lifecycle/state.ts';
import type { Verdict } from '../../lifecycle/verdicts.ts';
import type { Happening } from '../run/engine.ts';
import { EndedHandovers } from './ended-handovers.ts';

export interface ControlEndpointContext {
  readonly post: (happening: Happening) => void;
  readonly status: () => StatusDocument;
  readonly restarts: Control['restarts'];
  readonly signal: Control['signal'];
  readonly upgrade: Control['upgrade'];
  readonly history: Control['history'];
  /** The numbers of the handovers without a verdict, oldest first, and of the one in progress. */
  readonly handovers: () => { readonly open: readonly number[]; readonly current: number | null };
  /** The first ticket. Tickets of a dead supervisor are not used again. */
  readonly firstTicket: number;
  /** The ended handovers in the history, oldest first. */
  readonly recorded: () => readonly RecordedHandover[];
}

/** Passes the operator's requests to the core, and its answers to the callers. */
export class ControlEndpoint implements Control {
  readonly #context: ControlEndpointContext;
  readonly #verdicts = new Map<string, (verdict: Verdict) => void>();
  readonly #scales = new Map<string, (result: ScaleResult) => void>();
  readonly #answers = new Map<string, (answer: Answer) => void>();
  readonly #listeners = new Set<(fact: Fact) => void>();
  /** The handover numbers of tickets whose request is being posted. */
  readonly #accepted = new Map<string, number>();
  readonly #ended = new EndedHandovers();
  /** Callers that wait for a handover that they did not request. */
  readonly #waiting = new Map<number, Set<(verdict: Verdict) => void>>();
  #next: number;

  constructor(context: ControlEndpointContext) {
    this.#context = context;
    this.#next = context.firstTicket;
  }

  status(): StatusDocument {
    return this.#context.status();
  }

  restarts(): boolean {
    return this.#context.restarts();
  }

  reload(options: ReloadOptions, onVerdict: (verdict: Verdict) => void): Accepted {
    const { preview, replace, timeoutMs: timeout, label } = options;
    const how = { preview, replace, timeout, rollback: null, label };
    return this.#request({ by: 'zero reload', ...how }, onVerdict);
  }

  rollback({ to, timeoutMs: timeout }: RollbackOptions, onVerdict: (verdict: Verdict) => void): Accepted {
    const how = { preview: false, replace: false, timeout, rollback: { to }, label: null };
    return this.#request({ by: 'zero rollback', ...how }, onVerdict);
  }

  wait(wanted: number | null, onVerdict: (verdict: Verdict) => void): Awaited | { readonly refusal: string } {
    const { open, current } = this.#context.handovers();
    const handover = wanted ?? current ?? open.at(-1) ?? this.#ended.last();
    if (handover !== undefined && open.includes(handover)) return this.#await(handover, onVerdict);
    const verdict = (handover !== undefined && this.#ended.find(handover)) || this.#recorded(handover);
    if (typeof verdict === 'string') return { refusal: verdict };
    onVerdict(verdict);
    return { handover: verdict.handover ?? 0, cancel: () => {} };
  }

  scale(
    { workers, timeoutMs: timeout }: ScaleOptions,
    onResult: (result: ScaleResult) => void,
  ): { readonly ticket: string } {
    const ticket = `${this.#next++}`;
    this.#scales.set(ticket, onResult);
    this.#context.post({ type: 'scale', by: 'zero scale', ticket, workers, timeout });
    return { ticket };
  }

  history(): Promise<HistoryDocument> {
    return this.#context.history();
  }

  promote(): Promise<Answer> {
    return this.#ask('promote');
  }

  abort(): Promise<Answer> {
    return this.#ask('abort');
  }

  stop(now: boolean): void {
    this.#context.post({ type: 'stop', by: 'zero stop', now });
  }

  upgrade(options: UpgradeOptions, onAnswer: (answer: UpgradeAnswer) => void): void {
    this.#context.upgrade(options, onAnswer);
  }

  signal(signal: string): Signalled | { readonly refusal: string } {
    return this.#context.signal(signal);
  }

  onFact(listener: (fact: Fact) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Performs the effect `verdict`. */
  tell(tickets: readonly string[], verdict: Verdict): void {
    for (const ticket of tickets) {
      this.#verdicts.get(ticket)?.(verdict);
      this.#verdicts.delete(ticket);
    }
  }

  /** Performs the effect `scaled`. */
  scaled(ticket: string, result: ScaleResult): void {
    this.#scales.get(ticket)?.(result);
    this.#scales.delete(ticket);
  }

  /** Performs the effect `accepted`. */
  accept(ticket: string, handover: number): void {
    this.#accepted.set(ticket, handover);
  }

  /** Performs the effect `concluded`. */
  conclude(verdict: Verdict): void {
    const { handover } = verdict;
    if (handover === null) return;
    this.#ended.add(handover, verdict);
    const waiting = this.#waiting.get(handover);
    this.#waiting.delete(handover);
    for (const onVerdict of waiting ?? []) onVerdict(verdict);
  }

  /** Performs the effect `answer`. */
  answer(ticket: string, refusal: string | null): void {
    this.#answers.get(ticket)?.(refusal === null ? { ok: true } : { ok: false, message: refusal });
    this.#answers.delete(ticket);
  }

  /** Passes a fact to every subscriber. */
  report(fact: Fact): void {
    for (const listener of this.#listeners) listener(fact);
  }

  #request(
    how: Pick<Reload, 'by' | 'preview' | 'replace' | 'timeout' | 'rollback' | 'label'>,
    onVerdict: (verdict: Verdict) => void,
  ): Accepted {
    const ticket = `${this.#next++}`;
    this.#verdicts.set(ticket, onVerdict);
    this.#context.post({ type: 'reload', ticket, ...how });
    const handover = this.#accepted.get(ticket) ?? null;
    this.#accepted.delete(ticket);
    return { ticket, handover };
  }

  #await(handover: number, onVerdict: (verdict: Verdict) => void): Awaited {
    const waiting = this.#waiting.get(handover) ?? new Set();
    this.#waiting.set(handover, waiting.add(onVerdict));
    return { handover, cancel: () => waiting.delete(onVerdict) };
  }

  /** The recorded verdict of a handover (default: the last one), or why there is none. */
  #recorded(handover: number | undefined): Verdict | string {
    const recorded = this.#context.recorded();
    const found =
      handover === undefined ? recorded.at(-1) : recorded.find((ended) => ended.handover === handover);
    if (found) return recordedVerdict(found);
    if (handover === undefined) return 'there has been no handover yet';
    const known = [
      ...recorded.map((ended) => ended.handover),
      ...this.#context.handovers().open,
      ...this.#ended.numbers(),
    ];
    if (known.length === 0) return `unknown handover ${handover}: there has been no handover yet`;
    const range = `${Math.min(...known)} to ${Math.max(...known)}`;
    if (handover < Math.min(...known) || handover > Math.max(...known))
      return `unknown handover ${handover}: known handovers are ${range}`;
    return `the verdict of handover ${handover} is not recorded: its request was replaced or withdrawn, or zero was killed during the handover`;
  }

  #ask(type: 'promote' | 'abort'): Promise<Answer> {
    return new Promise((resolve) => {
      const ticket = `${this.#next++}`;
      this.#answers.set(ticket, resolve);
      this.#context.post({ type, by: `zero ${type}`, ticket });
    });
  }
}

/** A number above all tickets of the dead supervisor's commands. */
export function ticketAfter({ handover, pending, owed }: State): number {
  const callers = [
    ...(handover?.request.callers ?? []),
    ...(pending?.callers ?? []),
    ...owed.flatMap((verdict) => verdict.callers),
  ];
  return Math.max(0, ...callers.map(({ ticket }) => Number(ticket ?? 0))) + 1;
}

/** A verdict without the details that only the supervisor of that time had. */
function recordedVerdict({
  handover,
  outcome,
  generation,
  incumbent,
  duration,
  failure,
}: RecordedHandover): Verdict {
  const numbers = { handover, generation, incumbent };
  return { outcome: outcome as Outcome, ...numbers, label: null, down: null, duration, failure };
}
