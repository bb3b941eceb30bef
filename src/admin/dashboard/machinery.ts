import { bytes, percent, twoUnits } from '../../common/amounts.ts';
import type { GenerationStatus, StatusDocument, WorkerStatus } from '../../control/status-document.ts';
import { type Html, html } from '../html.ts';
import { icon, sparkline, type Tone } from './graphics.ts';
import type { Samples } from './samples.ts';

/** Maximum number of rows in a table: those with problems come first, and the others are counted. */
const MAX_ROWS = 50;

const HEAD = ['Worker', 'State', 'pid', 'CPU', 'Memory', 'Up for', 'Restarts', 'Last exit'] as const;

export function workersPart({ generations }: StatusDocument): Html {
  const all = generations.flatMap((generation) =>
    generation.workers.map((worker) => ({ generation, worker, state: workerState(worker) })),
  );
  if (all.length === 0) return html`<p>No worker runs.</p>`;
  const shown = firstOf(all, ({ state }) => state.tone === 'good' || state.tone === 'quiet');
  const rows = shown.map(({ generation, worker, state }) => workerRow(generation, worker, state));
  return html`${table(HEAD, rows)}${more(all.length - shown.length, 'workers', 'zero status')}`;
}

function workerRow({ id }: GenerationStatus, worker: WorkerStatus, { tone, text }: WorkerState): Html[] {
  const { pid, uptime_ms, restarts, last_exit, usage } = worker;
  return [
    html`${id}.${worker.worker} <span class="unseen">(generation ${id}, worker ${worker.worker})</span>`,
    html`${icon(tone)} ${text}`,
    html`${pid ?? '-'}`,
    html`${usage === undefined ? '-' : percent(usage.cpu_percent)}`,
    html`${usage === undefined ? '-' : bytes(usage.memory_bytes)}`,
    html`${uptime_ms === null ? '-' : twoUnits(uptime_ms)}`,
    html`${restarts}`,
    html`${last_exit === undefined ? 'none' : `${last_exit.reason}, ${twoUnits(last_exit.ms_ago)} ago`}`,
  ];
}

interface WorkerState {
  readonly tone: Tone;
  readonly text: string;
}

function workerState({
  state,
  ready,
  waiting,
  hung,
  retry_in_ms,
  unhealthy,
  role,
}: WorkerStatus): WorkerState {
  if (hung) return { tone: 'bad', text: 'hung: connections wait and it accepts none' };
  if (unhealthy !== undefined) return { tone: 'warn', text: `unhealthy: ${unhealthy}` };
  if (state === 'up' && role === 'rescue') return { tone: 'good', text: 'up, as a rescue worker' };
  if (state === 'up' && role === 'leaving') return { tone: 'quiet', text: 'leaving' };
  if (state === 'up' && ready) return { tone: 'good', text: 'up' };
  if (state === 'up') return { tone: 'busy', text: `waits for ${waiting.join(', ') || 'reload_uptime'}` };
  if (state === 'backoff')
    return { tone: 'bad', text: `exited, next start in ${twoUnits(retry_in_ms ?? 0)}` };
  return { tone: 'quiet', text: state };
}

export function listenersPart({ listeners }: StatusDocument, samples: Samples): Html {
  if (listeners.length === 0) return html`<p>No listener.</p>`;
  const shown = firstOf(listeners, ({ queue }) => !queue);
  const rows = shown.map(({ name, address, steered, queue }) => [
    html`${name}`,
    html`${address}`,
    html`${steered ? 'steered' : 'shared'}`,
    html`${queue ?? '-'}`,
    sparkline(samples.of(`listener ${name}`), `Accept queue of ${name}`, String),
  ]);
  const head = ['Listener', 'Address', 'Sockets', 'Queue', 'Last 4 minutes'];
  return html`${table(head, rows)}${more(listeners.length - shown.length, 'listeners', 'zero status')}`;
}

/** The first items, those with problems first. */
function firstOf<T>(all: readonly T[], isFine: (one: T) => boolean): readonly T[] {
  if (all.length <= MAX_ROWS) return all;
  return [...all.filter((one) => !isFine(one)), ...all.filter(isFine)].slice(0, MAX_ROWS);
}

function more(count: number, what: string, command: string): Html {
  return count > 0 ? html`<p class="note">${count} more ${what}: <code>${command}</code></p>` : html``;
}

/**
 * On a narrow screen each row becomes a card (parts.css). The roles are explicit because the CSS property display
 * removes the implicit ones.
 */
function table(head: readonly string[], rows: readonly (readonly Html[])[]): Html {
  const cells = (row: readonly Html[]) =>
    row.map(
      (cell, index) => html`<td role="cell" data-label="${head[index] ?? ''}"><span>${cell}</span></td>`,
    );
  return html`<table role="table"><thead role="rowgroup"><tr role="row">${head.map((cell) => html`<th role="columnheader" scope="col">${cell}</th>`)}</tr></thead><tbody role="rowgroup">${rows.map((row) => html`<tr role="row">${cells(row)}</tr>`)}</tbody></table>`;
}
