import type { StatusDocument } from '../../control/status-document.ts';
import { html } from '../html.ts';
import type { FailedHandover } from './journal.ts';
import { listenersPart, workersPart } from './machinery.ts';
import { outputPart, timelinePart } from './past.ts';
import type { Samples } from './samples.ts';
import type { Sections, Timeline } from './source.ts';
import { factsPart, headlineOf, statePart, tilesPart } from './state.ts';
import { trafficPart } from './traffic.ts';

export interface Shown {
  readonly status: StatusDocument;
  readonly timeline: Timeline;
  /** How the last handover failed; null: it did not fail. */
  readonly failure: FailedHandover | null;
  readonly samples: Samples;
  /** Why the newest state could not be read; null: it was read. */
  readonly problem: string | null;
}

/** The content of each element of the page that can change, by its id (page.ts). */
export function sectionsOf({ status, timeline, failure, samples, problem }: Shown): Sections {
  const headline = headlineOf(status, timeline, problem);
  return new Map(
    Object.entries({
      name: html`${status.name}`,
      facts: factsPart(status),
      state: statePart(headline),
      announcement: html`${headline.title}`,
      tiles: tilesPart(status, samples),
      traffic: trafficPart(status, samples),
      output: outputPart(failure),
      workers: workersPart(status),
      listeners: listenersPart(status, samples),
      timeline: timelinePart(timeline),
    }).map(([id, { text }]) => [id, text]),
  );
}
