import { type Html, html } from '../html.ts';
import { type Point, WINDOW } from './samples.ts';

/*
 * Graphics as inline SVG. Sizes are attributes, because the Content-Security-Policy of the page refuses inline styles.
 */

/** The name, shape and colour of a state. The shape differs as well as the colour. */
export type Tone = 'good' | 'busy' | 'warn' | 'bad' | 'quiet';

const SHAPES: Readonly<Record<Tone, Html>> = {
  good: html`<circle cx="8" cy="8" r="7"/><path class="mark" d="M4.5 8.3l2.4 2.4 4.6-5"/>`,
  busy: html`<circle cx="8" cy="8" r="7"/><path class="mark" d="M6.3 4.8l4 3.2-4 3.2"/>`,
  warn: html`<path d="M8 1l7.5 14H.5z"/><path class="mark" d="M8 6v4m0 2.2v.6"/>`,
  bad: html`<path d="M4.8 1h6.4L15 4.8v6.4L11.2 15H4.8L1 11.2V4.8z"/><path class="mark" d="M5.4 5.4l5.2 5.2m0-5.2l-5.2 5.2"/>`,
  quiet: html`<circle class="hollow" cx="8" cy="8" r="6"/>`,
};

/** A decoration: the text next to it has the meaning. */
export function icon(tone: Tone): Html {
  return html`<svg class="icon ${tone}" viewBox="0 0 16 16" aria-hidden="true">${SHAPES[tone]}</svg>`;
}

/** A bar of a length in percent. The candidate's bar is divided into blocks. */
export function bar(percent: number, kind: string, isDivided: boolean): Html {
  const width = Math.round(Math.min(100, Math.max(0, percent)) * 10) / 10;
  return html`<svg class="bar ${kind}" aria-hidden="true"><rect class="track" width="100%" height="100%"/><rect class="fill" width="${width}%" height="100%"/>${
    isDivided ? html`<line class="gaps" x1="0" x2="100%" y1="50%" y2="50%"/>` : []
  }</svg>`;
}

const WIDTH = 240;
const HEIGHT = 40;
/** Minimum width of a curve in milliseconds. A shorter curve grows from the right. */
const MIN_SPAN = 30_000;

/** A curve of the last minutes, starting at zero. @param label the subject, without its values */
export function sparkline(points: readonly Point[], label: string, text: (value: number) => string): Html {
  const values = points.map(({ value }) => value);
  const last = values.at(-1);
  if (last === undefined)
    return html`<svg class="spark" viewBox="0 0 ${WIDTH} ${HEIGHT}" aria-hidden="true"></svg>`;
  const top = Math.max(...values);
  const end = points.at(-1)?.at ?? 0;
  const span = Math.min(WINDOW, Math.max(MIN_SPAN, end - (points[0]?.at ?? end)));
  const xOf = (at: number) => WIDTH - ((end - at) / span) * WIDTH;
  const line = points
    .map(({ at, value }) => {
      const x = xOf(at);
      const y = HEIGHT - 2 - (top === 0 ? 0 : (value / top) * (HEIGHT - 5));
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    })
    .join(' ');
  const start = xOf(points[0]?.at ?? end).toFixed(1);
  const range = `${text(Math.min(...values))} to ${text(top)}, now ${text(last)}`;
  return html`<svg class="spark" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label="${label}, ${range}"><polygon points="${start},${HEIGHT} ${line} ${WIDTH},${HEIGHT}"/><polyline points="${line}"/></svg>`;
}

/** One column for each handover: full for a promotion, half-height and hollow for any other outcome. */
export function outcomeStrip(isPromoted: readonly boolean[], label: string): Html {
  const columns = isPromoted.map((promoted, index) =>
    promoted
      ? html`<rect class="good" x="${index * 8}" y="2" width="6" height="26"/>`
      : html`<rect class="bad" x="${index * 8 + 1}" y="15" width="4" height="12"/><path class="bad" d="M${index * 8} 3l6 6m0-6l-6 6"/>`,
  );
  return html`<svg class="strip" viewBox="0 0 ${Math.max(25, isPromoted.length) * 8} 30" preserveAspectRatio="xMinYMid meet" role="img" aria-label="${label}">${columns}</svg>`;
}
