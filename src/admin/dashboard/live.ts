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

/** Milliseconds between two readings: at rest, and during a change. */
const REST = 2_000;
const BUSY = 1_000;
/** Minimum time from a reading to one that an event causes, in ms. */
const GAP = 300;
/** Events within this many milliseconds are shown together. */
const GATHER = 100;
/**
 * Limits for the processor time of readings, as shares of one core, at rest and during a change. Readings become less
 * frequent to stay below them.
 */
export interface Shares {
  readonly rest: number;
  readonly busy: number;
}
const SHARES: Shares = { rest: 0.005, busy: 0.015 };
/** The cheapest of this many readings counts, because the others include other work of the process. */
const COMPARED = 3;
const MAX_PAUSE = 30_000;
/** Characters of events per write, and the number of events on a new page. */
const PORTION = 16 * 1024;
export const LOG_LINES = 100;

/** A feed sends a message at the first reading after this many milliseconds without one. */
const QUIET = 10_000;

/** A page that has lost its connection retries after this many milliseconds. */
const RETRY = 'retry: 1000\n\n';

/**
 * One instance as its dashboards show it. All of its dashboards share one reading. Nothing is read or computed while no
 * dashboard is open.
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
  /** Why the newest state could not be read; null: it was read. */
  #error: unknown = null;
  #sections: Sections = new Map();
  #reading: Promise<void> | null = null;
  #timer: unknown = null;
  /** Monotonic milliseconds: when the timer fires, and the earliest time of the next reading. */
  #due = 0;
  #notBefore = 0;
  #close: () => void = () => {};
  /** Processor time of the last readings, in ms. */
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
    return this.#status && headlineOf(this.#status, this.#timeline, this.problem);
  }

  /** The error of the newest reading; null: it did not fail. */
  get error(): unknown {
    return this.#error;
  }

  get problem(): string | null {
    return this.#error === null ? null : errorText(this.#error);
  }

  get samples(): Samples {
    return this.#samples;
  }

  /** Reads the current state, unless it was read just before. Never rejects. */
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

  /** Server-sent events: first the whole content, then the changes. */
  feed(): Feed {
    const { events } = this.#source;
    const sent = new Map<string, string>();
    const pulse = new Pulse();
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
        const sections = changed.map(([id, text]) => message('section', { id, html: text })).join('');
        return pulse.with(`${begin}${sections}${newLines()}`);
      },
      onMore: (run) => this.watch(run),
    };
  }

  /** Keeps reading, and calls `run` after each change, until the returned function is called. */
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

  /** Schedules a reading after at most this many milliseconds. */
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
      // Read after the status, so that the events of every change in the status are included.
      if (this.#journal.look()) this.#timeline = await this.#source.timeline();
      this.#samples.add(Date.now(), this.#status);
      this.#error = null;
      this.#render(this.#status);
    } catch (error) {
      this.#journal.forget();
      this.#error = error;
      if (this.#status !== null) this.#render(this.#status);
    }
    const { user, system } = process.cpuUsage(before);
    this.#next((user + system) / 1000);
  }

  #render(status: StatusDocument): void {
    const { failure } = this.#journal;
    this.#sections = sectionsOf({
      status,
      timeline: this.#timeline,
      failure: failure && { ...failure, failure: redacted(failure.failure, this.#source.redactor()) },
      samples: this.#samples,
      problem: this.problem,
    });
  }

  /** @param cost processor time of the last reading, in ms */
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

/** The parts of a failure that are shown. */
function redacted(failure: FailureDocument, redact: (text: string) => string): FailureDocument {
  const { step, reason, output = [] } = failure;
  return { step, reason: redact(reason), output: output.map(redact) };
}

/** A server-sent event (https://html.spec.whatwg.org/multipage/server-sent-events.html). JSON has no newline. */
export function message(event: string, data: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}

/**
 * Keeps the connection of a page alive: a page that has received nothing for a minute treats it as lost
 * (page/dashboard.js).
 */
export class Pulse {
  #last = performance.now();

  /**
   * Returns the text. Instead of an empty text it returns an empty message if the page has received nothing for some
   * seconds.
   */
  with(text: string): string {
    const now = performance.now();
    if (text === '' && now - this.#last < QUIET) return '';
    this.#last = now;
    return text === '' ? message('alive', {}) : text;
  }
}
