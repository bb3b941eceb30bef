import { twoUnits } from '../../common/amounts.ts';
import { type Html, html } from '../html.ts';
import { icon, outcomeStrip } from './graphics.ts';
import type { FailedHandover } from './journal.ts';
import type { Timeline } from './source.ts';
import { outcomeText } from './state.ts';

/** Maximum number of handovers in the timeline. */
const MAX_HANDOVERS = 50;

/** The last handovers, newest first, with the state of their generations. */
export function timelinePart({ handovers, generations }: Timeline): Html {
  const last = handovers.slice(-MAX_HANDOVERS);
  if (last.length === 0) return html`<p>No handover has ended yet.</p>`;
  const isPromoted = last.map(({ outcome }) => outcome === 'promoted');
  const promoted = isPromoted.filter((one) => one).length;
  const label = `Last ${last.length} handovers, oldest first: ${promoted} promoted, ${last.length - promoted} not promoted`;
  const byNumber = new Map(generations.map((one) => [one.generation, one]));
  const items = last.toReversed().map((one) => {
    const { handover, at, outcome, generation, duration_ms, failure } = one;
    const started = generation === null ? undefined : byNumber.get(generation);
    const release = started?.release;
    return html`<li>${icon(outcome === 'promoted' ? 'good' : 'bad')}<div><p><strong>Handover ${handover} ${outcomeText(outcome)}</strong>${
      generation === null ? '' : `, generation ${generation}`
    }${release?.label === undefined ? '' : `, ${release.label}`}${
      started?.rollback_to ? `, a rollback to generation ${started.rollback_to}` : ''
    }</p>${failure === null ? [] : html`<p class="reason">${failure.step}: ${failure.reason}</p>`}<p class="note">${time(at)}, took ${twoUnits(duration_ms)}${
      started?.served_ms ? `, served for ${twoUnits(started.served_ms)}` : ''
    }</p></div></li>`;
  });
  return html`${outcomeStrip(isPromoted, label)}<p class="note">${promoted} promoted, ${last.length - promoted} not promoted. Oldest on the left.</p><ol class="timeline" reversed>${items}</ol>`;
}

/** The last output of the candidate in a failed handover. Empty if there is none. */
export function outputPart(failed: FailedHandover | null): Html {
  const { output = [], step, reason } = failed?.failure ?? {};
  if (failed === null) return html``;
  const { handover, generation } = failed;
  const title = generation === null ? `handover ${handover}` : `generation ${generation}`;
  const lines = output.map((line) => html`${line}\n`);
  return html`<h2 id="output-title">Last output of ${title}</h2><p class="reason">${step ?? ''}: ${reason ?? ''}</p>${
    lines.length === 0 ? html`<p class="note">No output.</p>` : html`<pre tabindex="0">${lines}</pre>`
  }`;
}

function time(at: string): Html {
  return html`<time datetime="${at}">${at.slice(0, 19).replace('T', ' ')} UTC</time>`;
}
