import type { GenerationStatus, StatusDocument } from '../../control/status-document.ts';
import { type Html, html } from '../html.ts';
import { shareOf } from '../source.ts';
import { bar, sparkline } from './graphics.ts';
import type { Samples } from './samples.ts';

/** Number of measurements whose mean is the counted share. */
const MEAN_OF = 10;

/** The role of each generation: the word next to its number. */
const ROLES: Readonly<Record<string, string>> = {
  starting: 'starting',
  ready: 'candidate',
  serving: 'serving',
  standby: 'standby: a rollback returns to it',
  retiring: 'retiring: finishes its connections',
  stopping: 'stopping',
};

/** Requested share and counted connections of each generation. */
export function trafficPart(status: StatusDocument, samples: Samples): Html {
  const { generations, steering } = status;
  if (generations.length === 0) return html`<p>No generation runs.</p>`;
  const counted = countedShares(generations, samples);
  const rows = generations.map((one, index) =>
    generationRow(one, status, counted === null ? null : (counted[index] ?? 0), samples),
  );
  const note =
    steering === null
      ? html`<p class="note">The generations share their sockets, so zero does not divide new connections.</p>`
      : [];
  return html`<ul class="generations">${rows}</ul>${note}`;
}

function generationRow(
  generation: GenerationStatus,
  { steering, service, handover }: StatusDocument,
  counted: number | null,
  samples: Samples,
): Html {
  const { id, stage, release, connections = null } = generation;
  const isCandidate = handover?.candidate === id;
  const isDown = service?.state === 'down' && service.generation === id;
  const role = isDown ? 'down' : isCandidate ? 'candidate' : (ROLES[stage] ?? stage);
  const requested = steering === null ? null : shareOf(generation, steering) * 100;
  const kind = isDown ? 'fallen' : isCandidate ? 'candidate' : 'incumbent';
  const open = connections === null ? 'open connections unknown' : `${connections} open`;
  return html`<li class="${kind}"><h3>Generation ${id} <span class="role">${role}</span></h3><p class="release">${release.label === undefined ? '' : `${release.label}, `}${release.path}</p>${
    requested === null
      ? []
      : html`<p class="share"><span>New connections, requested</span> <strong>${share(requested)}</strong></p>${bar(requested, 'requested', isCandidate)}`
  }<p class="share"><span>Connections, counted</span> <strong>${counted === null ? open : `${share(counted)} (${open})`}</strong></p>${bar(counted ?? 0, 'counted', isCandidate)}${sparkline(samples.of(`generation ${id}`), `Open connections of generation ${id}`, String)}</li>`;
}

/**
 * The share of each generation in the open connections, as the mean of the last measurements; null: no connection is
 * open.
 */
function countedShares(generations: readonly GenerationStatus[], samples: Samples): number[] | null {
  const sums = generations.map(({ id }) =>
    samples
      .of(`generation ${id}`)
      .slice(-MEAN_OF)
      .reduce((total, { value }) => total + value, 0),
  );
  const total = sums.reduce((all, one) => all + one, 0);
  const isOpen = generations.some(({ connections }) => connections);
  return total === 0 || !isOpen ? null : sums.map((one) => (one / total) * 100);
}

function share(value: number): string {
  return `${Math.round(value * 10) / 10} %`;
}
