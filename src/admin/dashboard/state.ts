import { bytes, percent, twoUnits } from '../../common/amounts.ts';
import type { HandoverStatus, StatusDocument } from '../../control/status-document.ts';
import { type Html, html } from '../html.ts';
import { icon, sparkline, type Tone } from './graphics.ts';
import type { Samples } from './samples.ts';
import type { Timeline } from './source.ts';

/** The first lines of the page. */
export interface Headline {
  readonly tone: Tone;
  /** Used in the title of the page, and read aloud at each change, so it contains no times. */
  readonly title: string;
  /** Sentences. */
  readonly details: readonly string[];
}

/** A worker that was restarted this often without serving is in a crash loop. */
const LOOP = 3;

/** @param problem why the newest state could not be read; null: it was read */
export function headlineOf(status: StatusDocument, timeline: Timeline, problem: string | null): Headline {
  if (problem !== null)
    return {
      tone: 'bad',
      title: 'Connection lost',
      details: ['Showing the last known state.', sentence(problem)],
    };
  return troubleOf(status) ?? progressOf(status) ?? restOf(status, timeline);
}

/** null: the service is up. */
function troubleOf(status: StatusDocument): Headline | null {
  const { service, generations } = status;
  if (service === undefined) return { tone: 'warn', title: 'State unknown', details: [] };
  const { state, summary, last_exit, retry_in_ms } = service;
  if (state === 'up') return null;
  const details = [
    sentence(summary),
    ...(retry_in_ms ? [`Next start in ${twoUnits(retry_in_ms)}.`] : []),
    ...(last_exit === null
      ? []
      : [`Last exit ${twoUnits(last_exit.ms_ago)} ago: worker ${last_exit.worker} ${last_exit.reason}.`]),
  ];
  if (state === 'starting' || state === 'stopping')
    return { tone: 'busy', title: state === 'starting' ? 'Starting' : 'Stopping', details };
  const workers = generations.find(({ id }) => id === service.generation)?.workers ?? [];
  const restarts = Math.max(0, ...workers.map((worker) => (worker.ready ? 0 : worker.restarts)));
  const loop = restarts >= LOOP ? `: crash loop, ${restarts} restarts` : '';
  if (state === 'degraded') return { tone: 'warn', title: `Degraded${loop}`, details };
  return { tone: 'bad', title: `Down${loop}`, details };
}

/** null: no handover is in progress. */
function progressOf({ handover, pending, generations }: StatusDocument): Headline | null {
  if (handover === null) return null;
  const { id, step, candidate, incumbent, since_ms_ago, canary, until_ms, waiting_for = [] } = handover;
  const label = generations.find((generation) => generation.id === candidate)?.release.label;
  const details = [
    ...(candidate === null
      ? []
      : [
          `Generation ${candidate}${label === undefined ? '' : ` (${label})`} ${incumbent === null ? 'starts' : `replaces generation ${incumbent}`}.`,
        ]),
    `Started ${twoUnits(since_ms_ago)} ago.`,
    ...(until_ms === undefined ? [] : [`This step ends in ${twoUnits(until_ms)}.`]),
    ...(waiting_for.length === 0 ? [] : [`Waits for ${waiting_for.join(', ')}.`]),
    ...(pending ? ['One more handover follows.'] : []),
  ];
  const share = canary === undefined ? '' : ` ${canary.percent} %`;
  return { tone: 'busy', title: `Handover ${id}: ${stepText(step)}${share}`, details };
}

function stepText(step: HandoverStatus['step']): string {
  return step.replaceAll('_', ' ');
}

/** The headline while the service is up and nothing changes: it reports how the last handover ended. */
function restOf({ service, incumbent }: StatusDocument, { handovers }: Timeline): Headline {
  const last = handovers.at(-1);
  if (last === undefined || last.outcome === 'promoted')
    return { tone: 'good', title: 'Up', details: [sentence(service?.summary ?? '')] };
  const { handover, generation, failure } = last;
  const subject = generation === null ? `Handover ${handover}` : `Generation ${generation}`;
  const outcome = outcomeText(last.outcome);
  return {
    tone: 'warn',
    title: `Up. The last deploy ${outcome}`,
    details: [
      `${subject} ${outcome}${failure === null ? '' : `: ${failure.reason}`}.`,
      ...(incumbent === null ? [] : [`Generation ${incumbent} keeps serving.`]),
    ],
  };
}

/** The outcome as a sentence about the generation: `Generation 3 was rolled back`. */
export function outcomeText(outcome: string): string {
  const words = outcome.replaceAll('_', ' ');
  return outcome === 'failed' || outcome === 'timed_out' ? words : `was ${words}`;
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) || text === '' ? '' : '.'}`;
}

export function statePart({ tone, title, details }: Headline): Html {
  return html`<h2 class="headline ${tone}">${icon(tone)}<span>${title}</span></h2><p>${details.join(' ')}</p>`;
}

/** The supervisor in one line below the name. */
export function factsPart({ zero, pid, uptime_ms, config_file, supervisor }: StatusDocument): Html {
  const restarts = supervisor === undefined ? 0 : supervisor.restarts;
  const facts = [
    `zero ${zero}`,
    `pid ${pid}`,
    `up for ${twoUnits(uptime_ms)}`,
    ...(restarts > 0 ? [`restarted ${restarts === 1 ? 'once' : `${restarts} times`}`] : []),
    ...(config_file ? [config_file.path] : []),
  ];
  return html`${facts.map((fact) => html`<span>${fact}</span> `)}`;
}

/** Four numbers, each with a curve. */
export function tilesPart({ usage }: StatusDocument, samples: Samples): Html {
  const count = (value: number) => String(value);
  const tile = (name: string, key: string, text: (value: number) => string, note: string) => {
    const points = samples.of(key);
    const last = points.at(-1);
    return html`<li class="tile ${key}"><span class="name">${name}</span> <strong>${last === undefined ? 'unknown' : text(last.value)}</strong> ${sparkline(points, `${name} in the last 4 minutes`, text)}<span class="note">${note}</span></li>`;
  };
  return html`${tile('Open connections', 'connections', count, 'all generations')}${tile('Accept queue', 'queue', count, 'connections that wait to be accepted')}${tile('CPU', 'cpu', percent, '100 % is one core')}${tile('Memory', 'memory', bytes, usage === undefined ? 'all workers' : `${twoUnits(usage.cpu_seconds * 1000)} of CPU time since the start`)}`;
}
