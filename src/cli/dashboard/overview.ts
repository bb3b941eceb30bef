import { bar, icon, sparkline } from '../../admin/dashboard/graphics.ts';
import { pageAnswer } from '../../admin/dashboard/page.ts';
import type { Samples } from '../../admin/dashboard/samples.ts';
import type { Headline } from '../../admin/dashboard/state.ts';
import { Html, html } from '../../admin/html.ts';
import type { Answer } from '../../admin/server.ts';
import { shareOf } from '../../admin/source.ts';
import { bytes, percent, twoUnits } from '../../common/amounts.ts';
import type { StatusDocument } from '../../control/status-document.ts';

/** One instance in the overview. */
export interface Shown {
  /** The path of the instance's page. */
  readonly path: string;
  readonly name: string;
  readonly user: string;
  readonly headline: Headline;
  /** The last known status; null: the instance has not answered yet. */
  readonly running: { readonly status: StatusDocument; readonly samples: Samples } | null;
}

/** The headline of an instance that has not answered yet. @param problem why */
export function silentHeadline(problem: string): Headline {
  return { tone: 'bad', title: 'No answer', details: [problem] };
}

/** The parts of the overview that change, by the id of their element. */
export function fleetSections(instances: readonly Shown[]): ReadonlyMap<string, string> {
  const sorted = instances.toSorted((one, other) => one.name.localeCompare(other.name));
  const bad = sorted.filter(({ headline: { tone } }) => tone === 'bad' || tone === 'warn').length;
  const count = `${sorted.length} ${sorted.length === 1 ? 'instance' : 'instances'}`;
  const cards = sorted.map(card);
  return new Map([
    ['name', 'zero'],
    ['announcement', bad === 0 ? count : `${count}, ${bad} in trouble`],
    [
      'facts',
      html`<span>${count}</span> <span>${bad === 0 ? 'none in trouble' : `${bad} in trouble`}</span>`.text,
    ],
    ['instances', sorted.length === 0 ? 'No instance is running.' : html`${cards}`.text],
  ]);
}

function card({ path, name, user, headline, running }: Shown): Html {
  const { tone, title, details } = headline;
  const state = html`<h2><a href="${path}">${name}</a></h2><p class="headline ${tone}">${icon(tone)}<span>${title}</span></p><p class="note">${details.join(' ')}</p>`;
  const rest = running === null ? html`<p class="note">user ${user}</p>` : runningPart(user, running);
  return html`<li class="card">${state}${rest}</li>`;
}

function runningPart(user: string, { status, samples }: NonNullable<Shown['running']>): Html {
  const { name, generations, steering, usage, listeners, service, uptime_ms } = status;
  const shares = generations.map((generation) => {
    const share = steering === null ? null : Math.round(shareOf(generation, steering) * 100);
    const isCandidate = status.handover?.candidate === generation.id;
    return html`<li class="${isCandidate ? 'candidate' : 'incumbent'}"><p class="share"><span>Generation ${generation.id}${generation.release.label === undefined ? '' : ` (${generation.release.label})`}</span> <strong>${share === null ? generation.stage : `${share} %`}</strong></p>${share === null ? [] : bar(share, 'counted', isCandidate)}</li>`;
  });
  const facts = [
    `user ${user}`,
    ...(service === undefined ? [] : [`${service.workers_serving} of ${service.workers} workers serve`]),
    ...(usage === undefined ? [] : [`CPU ${percent(usage.cpu_percent)}`, bytes(usage.memory_bytes)]),
    `up for ${twoUnits(uptime_ms)}`,
    listeners.map(({ address }) => address).join(', '),
  ];
  return html`<ul>${shares}</ul>${sparkline(samples.of('connections'), `Open connections of ${name}`, String)}<p class="note">${facts.join(' · ')}</p>`;
}

/** The page with all instances. */
export function fleetPage(sections: ReadonlyMap<string, string>): Answer {
  const part = (id: string) => new Html(sections.get(id) ?? '');
  const body = html`<header><h1 id="name">${part('name')}</h1><p id="facts">${part('facts')}</p></header>
<p id="lost" role="alert" hidden></p>
<p id="announcement" class="unseen" role="status">${part('announcement')}</p>
<main><ul id="instances" class="instances" aria-label="Instances">${part('instances')}</ul></main>
<footer><p>Every instance of this machine that the user of this command may control.</p><noscript><p>Without JavaScript this page does not update. Reload it to see the newest state.</p></noscript></footer>`;
  return pageAnswer(html`${part('announcement')} - zero`, body);
}
