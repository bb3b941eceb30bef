import { createHash } from 'node:crypto';
import type { GenerationStatus, HandoverStatus, StatusDocument, WorkerStatus } from '../control/documents.ts';
import { Html, html } from './html.ts';
import type { Answer } from './server.ts';
import { shareOf } from './source.ts';

const STYLE = `
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8884; vertical-align: top; }
th { font-weight: 600; } td { font-variant-numeric: tabular-nums; }
.good { color: #0a7d33; } .bad, #lost { color: #c62828; }
`;

/** Puts the newest \`main\` in place of the one that is shown, and says where there is none to be had. */
const SCRIPT = `
const refresh = async () => {
  const lost = document.getElementById('lost');
  try {
    const answer = await fetch('/', { cache: 'no-store', signal: AbortSignal.timeout(5000) });
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const main = answer.ok ? page.querySelector('main') : null;
    if (main) document.querySelector('main').replaceWith(main);
    lost.hidden = main !== null;
  } catch {
    lost.hidden = false;
  }
  setTimeout(refresh, 2000);
};
setTimeout(refresh, 2000);
`;

let policy: string | null = null;

/** Nothing but what is on the page itself, told by its hash (Content Security Policy Level 3). */
function policyOf(): string {
  const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  policy ??= [
    "default-src 'none'",
    `style-src ${hash(STYLE)}`,
    `script-src ${hash(SCRIPT)}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
  return policy;
}

/** A page that shows the status, and keeps showing it. */
export function dashboardAnswer(status: StatusDocument): Answer {
  return {
    status: 200,
    type: 'text/html; charset=utf-8',
    body: dashboard(status).text,
    headers: { 'Content-Security-Policy': policyOf() },
  };
}

function dashboard(status: StatusDocument): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>zero: ${status.name}</title>
<style>${new Html(STYLE)}</style>
</head>
<body>
<p id="lost" hidden>Connection lost. Showing the last known state.</p>
${mainPart(status)}
<script>${new Html(SCRIPT)}</script>
</body>
</html>
`;
}

function mainPart(status: StatusDocument): Html {
  const { name, pid, zero, uptime_ms, generations, listeners } = status;
  return html`<main>
<h1>${name}</h1>
<p>${servicePart(status)}; zero ${zero}, pid ${pid}, up for ${durationText(uptime_ms)}${status.pending ? ', one more handover follows' : ''}</p>
${status.handover === null ? [] : handoverPart(status.handover)}
<h2>Generations</h2>
${table(
  ['generation', 'stage', 'for', 'new connections', 'worker', 'state', 'pid', 'up for', 'restarts'],
  generations.flatMap((generation) => generationRows(generation, status)),
)}
<p>${generations.map(({ id, release }) => html`generation ${id} runs ${release.label === undefined ? '' : `${release.label}, `}${release.path}<br>`)}</p>
<h2>Listeners</h2>
${table(
  ['name', 'address', 'steered', 'waiting to be accepted'],
  listeners.map((one) => [one.name, one.address, one.steered ? 'yes' : 'no', one.queue ?? '']),
)}
</main>`;
}

/** Whether the service is up; where it is not, its last exit and its next start. */
function servicePart({ service }: StatusDocument): Html {
  if (service === undefined) return html`<strong class="bad">state unknown</strong>`;
  const { state, summary, last_exit, retry_in_ms } = service;
  if (state === 'up') return html`<strong class="good">up</strong>: ${summary}`;
  const facts = [
    summary,
    ...(retry_in_ms ? [`next start in ${durationText(retry_in_ms)}`] : []),
    ...(last_exit === null
      ? []
      : [`last exit ${durationText(last_exit.ms_ago)} ago: worker ${last_exit.worker} ${last_exit.reason}`]),
  ];
  const kind = state === 'degraded' ? 'good' : 'bad';
  return html`<strong class="${kind}">${state === 'down' ? 'DOWN' : state}</strong>: ${facts.join('; ')}`;
}

function handoverPart(handover: HandoverStatus): Html {
  const { id, step, candidate, incumbent, since_ms_ago, canary, until_ms, waiting_for = [] } = handover;
  const facts = [
    `handover ${id}: ${step}${canary ? ` ${canary.percent} %` : ''}`,
    ...(candidate === null ? [] : [`generation ${candidate} in place of ${incumbent ?? 'none'}`]),
    `since ${durationText(since_ms_ago)}`,
    ...(until_ms === undefined ? [] : [`this step for ${durationText(until_ms)} more`]),
    ...(waiting_for.length === 0 ? [] : [`waits for ${waiting_for.join(', ')}`]),
  ];
  return html`<h2>Handover</h2><p>${facts.join('; ')}</p>`;
}

function generationRows(generation: GenerationStatus, { steering, service }: StatusDocument): Cell[][] {
  const { id, stage, since_ms_ago, workers } = generation;
  return workers.map((one, index) => [
    ...(index === 0
      ? [
          id,
          service?.state === 'down' && service.generation === id ? 'DOWN' : stage,
          durationText(since_ms_ago),
          steering === null ? '' : percentText(shareOf(generation, steering)),
        ]
      : ['', '', '', '']),
    one.worker,
    workerState(one),
    one.pid ?? '',
    one.uptime_ms === null ? '' : durationText(one.uptime_ms),
    one.restarts,
  ]);
}

function workerState({ state, ready, waiting, hung, retry_in_ms, last_exit }: WorkerStatus): string {
  if (hung) return 'hung: connections wait and it accepts none';
  if (state === 'up') return ready ? 'up' : `waits for ${waiting.join(', ') || 'its time'}`;
  if (retry_in_ms === undefined) return state;
  return [
    `${state}, next start in ${durationText(retry_in_ms)}`,
    ...(last_exit ? [`last exit ${durationText(last_exit.ms_ago)} ago: ${last_exit.reason}`] : []),
  ].join('; ');
}

type Cell = string | number;

function table(head: readonly string[], rows: readonly (readonly Cell[])[]): Html {
  return html`<table>
<thead><tr>${head.map((cell) => html`<th>${cell}</th>`)}</tr></thead>
<tbody>
${rows.map((row) => html`<tr>${row.map((cell) => html`<td>${cell}</td>`)}</tr>\n`)}</tbody>
</table>`;
}

function percentText(share: number): string {
  return `${Math.round(share * 1000) / 10} %`;
}

/** The two largest units. */
function durationText(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first === -1) return `${Math.round(ms)} ms`;
  return parts
    .slice(first, first + 2)
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount} ${unit}`)
    .join(' ');
}
