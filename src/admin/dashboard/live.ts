import type { Timers } from '../../common/clock.ts';
import { errorText } from '../../common/errors.ts';
import type { FailureDocument } from '../../control/documents.ts';
import type { StatusDocument } from '../../control/status-document.ts';
import type { Feed } from '../../http/follower.ts';
import { Journal } from './journal.ts';
import { logLines } from './log.ts';
import { Samples } from './samples.ts';
import { sectionsOf } from './sections.ts';
import type { DashboardSource, Sections, Timeline } from './source.ts';
import { type Headline, headlineOf } from './state.ts';

/** Milliseconds between two readings: at rest, and while something happens. */
const REST = 2_000;
const BUSY = 1_000;
/** After a reading, an event causes the next one after this many milliseconds at the earliest. */
const GAP = 300;
/** What happens within this many milliseconds is shown together. */
const GATHER = 100;
/** Readings may take these shares of one core at most, at rest and while something happens: then they are made less often. */
export interface Shares {
  readonly rest: number;
  readonly busy: number;
}
const SHARES: Shares = { rest: 0.005, busy: 0.015 };
/** The cheapest of so many readings counts: others include what the process did besides. */
const COMPARED = 3;
const MAX_PAUSE = 30_000;
/** Characters of events that are written at a time, and events that a page begins with. */
const PORTION = 16 * 1024;
export const LOG_LINES = 100;

/** A page whose connection was lost tries again after this many milliseconds. */
const RETRY = 'retry: 1000\n\n';

/**
 * One instance as its dashboards show it. All of them share one reading. Nothing is read or computed while no dashboard
 * is open.
 */
export class LiveDashboard {
  readonly #source: DashboardSource;
  readonly #timers: Timers;
  readonly #shares: Shares;
  readonly #viewers = new Set<() => void>();
  readonly #samples = new Samples();
  readonly #journal: Journal;
  #timeline: Timeline = { generations: [], handovers: [] };
  #status: StatusDocument | null = null;
  /** Why the newest state could not be read; null: it could. */
  #problem: string | null = null;
  #sections: Sections = new Map();
  #reading: Promise<void> | null = null;
  #timer: unknown = null;
  /** Monotonic milliseconds: when the timer is due, and before which nothing is read again. */
  #due = 0;
  #notBefore = 0;
  #close: () => void = () => {};
  /** Milliseconds of processor time that the last readings took. */
  #costs: number[] = [];

  constructor(source: DashboardSource, timers: Timers, shares: Shares = SHARES) {
    this.#source = source;
    this.#timers = timers;
    this.#shares = shares;
    this.#journal = new Journal(source.events);
  }

  /** The newest status; null before the first one. */
  get status(): StatusDocument | null {
    return this.#status;
  }

  /** The state in one line; null before the first status. */
  get headline(): Headline | null {
    return this.#status && headlineOf(this.#status, this.#timeline, this.#problem);
  }

  get problem(): string | null {
    return this.#problem;
  }

  get samples(): Samples {
    return this.#samples;
  }

  /** Reads what there is now, unless that was done just before. Never rejects. */
  async sections(): Promise<Sections> {
    if (this.#viewers.size === 0 || this.#sections.size === 0) await this.#refresh();
    return this.#sections;
  }

  /** The newest lines of the log, newest first. */
  get log(): string {
    const { events } = this.#source;
    const last = events.after(events.newest - LOG_LINES, Number.POSITIVE_INFINITY);
    return logLines(last, this.#source.redactor()).join('');
  }

  /** Server-sent events: what is shown, whole at first, and then what has changed. */
  feed(): Feed {
    const { events } = this.#source;
    const sent = new Map<string, string>();
    let epoch: string | null = null;
    let place = 0;
    const newLines = (): string => {
      const isNew = epoch !== events.epoch;
      if (isNew) place = Math.max(0, events.newest - LOG_LINES);
      epoch = events.epoch;
      const found = events.after(place, PORTION);
      if (found.length === 0 && !isNew) return '';
      place = found.at(-1)?.number ?? place;
      return message('log', { reset: isNew, html: logLines(found, this.#source.redactor()).join('') });
    };
    return {
      next: () => {
        if (this.#sections.size === 0) return '';
        const begin = epoch === null ? RETRY : '';
        const changed = [...this.#sections].filter(([id, text]) => sent.get(id) !== text);
        for (const [id, text] of changed) sent.set(id, text);
        return `${begin}${changed.map(([id, text]) => message('section', { id, html: text })).join('')}${newLines()}`;
      },
      onMore: (run) => this.watch(run),
    };
  }

  /** Keeps reading, and calls whenever something has changed, until the function that is returned is called. */
  watch(run: () => void): () => void {
    this.#viewers.add(run);
    if (this.#viewers.size === 1) this.#open();
    return () => {
      if (this.#viewers.delete(run) && this.#viewers.size === 0) this.#rest();
    };
  }

  #open(): void {
    const leave = this.#source.open?.();
    const unsubscribe = this.#source.events.onAppend(() => this.#happened());
    this.#close = () => {
      unsubscribe();
      leave?.();
    };
    void this.#refresh();
  }

  #rest(): void {
    this.#close();
    if (this.#timer !== null) this.#timers.clear(this.#timer);
    this.#timer = null;
  }

  #happened(): void {
    for (const tell of this.#viewers) tell();
    const wait = Math.max(GATHER, this.#notBefore - performance.now());
    if (this.#reading === null) this.#schedule(wait);
  }

  /** Reads after so many milliseconds at the latest. */
  #schedule(ms: number): void {
    const due = performance.now() + ms;
    if (this.#timer !== null && this.#due <= due) return;
    if (this.#timer !== null) this.#timers.clear(this.#timer);
    this.#due = due;
    this.#timer = this.#timers.set(ms, () => {
      this.#timer = null;
      void this.#refresh();
    });
  }

  #refresh(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
      for (const tell of this.#viewers) tell();
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    const before = process.cpuUsage();
    try {
      this.#status = await this.#source.status();
      // After the status: what it caused is in the events by now.
      if (this.#journal.look()) this.#timeline = await this.#source.timeline();
      this.#samples.add(Date.now(), this.#status);
      this.#problem = null;
    } catch (error) {
      this.#problem = errorText(error);
      this.#journal.forget();
    }
    const { failure } = this.#journal;
    const [status, timeline] = [this.#status, this.#timeline];
    if (status !== null)
      this.#sections = sectionsOf({
        status,
        timeline,
        failure: failure && { ...failure, failure: redacted(failure.failure, this.#source.redactor()) },
        samples: this.#samples,
        problem: this.#problem,
      });
    const { user, system } = process.cpuUsage(before);
    this.#next((user + system) / 1000);
  }

  /** @param cost milliseconds of processor time that the last reading took */
  #next(cost: number): void {
    this.#costs = [...this.#costs, cost].slice(-COMPARED);
    const usual = this.#costs.length < COMPARED ? 0 : Math.min(...this.#costs);
    const { rest, busy } = this.#shares;
    const isBusy = this.#status?.handover !== null || this.#status.service?.state !== 'up';
    const pause = isBusy ? Math.max(BUSY, usual / busy) : Math.max(REST, usual / rest);
    this.#notBefore = performance.now() + Math.min(MAX_PAUSE, Math.max(GAP, usual / busy));
    if (this.#viewers.size > 0) this.#schedule(Math.min(MAX_PAUSE, pause));
  }
}

/** Only what is shown of a failure. */
function redacted(failure: FailureDocument, redact: (text: string) => string): FailureDocument {
  const { step, reason, output = [] } = failure;
  return { step, reason: redact(reason), output: output.map(redact) };
}

/** A server-sent event (https://html.spec.whatwg.org/multipage/server-sent-events.html). JSON has no newline. */
export function message(event: string, data: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
