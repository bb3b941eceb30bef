/** One panel with the growth of one figure. `points` are sorted by `x`; `values` are its single samples. */
export interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly points: readonly {
    readonly x: number;
    readonly values: readonly number[];
    readonly middle: number;
  }[];
  /** The maximum, and the `x` to which it applies. */
  readonly limits: readonly { readonly x: number; readonly atMost: number }[];
}

const WIDTH = 300;
const HEIGHT = 200;
const COLUMNS = 3;
/** Space around the axes of a panel: the title is above, the numbers are left and below. */
const INSET = { left: 52, right: 18, top: 34, bottom: 34 };

/** Readable on a white and on a dark page: GitHub shows the same file on both. */
const STYLE = `
  text { font: 11px system-ui, sans-serif; fill: #57606a }
  .title { font-weight: 600; fill: #24292f }
  .axis { stroke: #8c959f; fill: none }
  .line { stroke: #0969da; stroke-width: 2; fill: none }
  .range { fill: #0969da; opacity: 0.15 }
  .point { fill: #0969da }
  .limit { stroke: #cf222e; stroke-width: 2; fill: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1 }
    .title { fill: #f0f6fc }
    .line { stroke: #4493f8 }
    .range, .point { fill: #4493f8 }
    .limit { stroke: #f85149 }
  }`;

/**
 * An SVG document with one panel for each figure, above one horizontal axis. Both axes are linear and begin at 0, so
 * that linear growth is a straight line. The line joins the medians, the area around it is the range of the samples,
 * and a cross is a target.
 */
export function svg(axis: string, panels: readonly Panel[]): string {
  const rows = Math.ceil(panels.length / COLUMNS);
  const width = Math.min(COLUMNS, panels.length) * WIDTH;
  const height = rows * HEIGHT;
  const drawn = panels.map((panel, index) => {
    const [left, top] = [(index % COLUMNS) * WIDTH, Math.floor(index / COLUMNS) * HEIGHT];
    return `<g transform="translate(${left} ${top})">\n${draw(axis, panel).join('\n')}\n</g>`;
  });
  const label = escaped(`Figures over ${axis}: ${panels.map(({ title }) => title).join(', ')}`);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}">`,
    `<style>${STYLE}\n</style>`,
    ...drawn,
    '</svg>',
    '',
  ].join('\n');
}

function draw(axis: string, { title, unit, points, limits }: Panel): string[] {
  const greatestX = Math.max(...points.map(({ x }) => x), 1);
  const greatestY = Math.max(
    ...points.flatMap(({ values }) => values),
    ...limits.map(({ atMost }) => atMost),
    Number.MIN_VALUE,
  );
  const [ticksX, ticksY] = [ticks(greatestX), ticks(greatestY)];
  const right = WIDTH - INSET.right;
  const bottom = HEIGHT - INSET.bottom;
  const atX = (x: number): number => round(INSET.left + (x / (ticksX.at(-1) ?? 1)) * (right - INSET.left));
  const atY = (y: number): number => round(bottom - (y / (ticksY.at(-1) ?? 1)) * (bottom - INSET.top));
  const at = (x: number, y: number): string => `${atX(x)},${atY(y)}`;
  const range = [
    ...points.map(({ x, values }) => at(x, Math.max(...values))),
    ...points.toReversed().map(({ x, values }) => at(x, Math.min(...values))),
  ];
  return [
    `<text class="title" x="${INSET.left}" y="18">${escaped(`${title}, ${unit}`)}</text>`,
    `<path class="axis" d="M${INSET.left},${INSET.top} V${bottom} H${right}"/>`,
    ...ticksX.map((x) => text(atX(x), bottom + 14, 'middle', shown(x))),
    ...ticksY.map((y) => text(INSET.left - 6, atY(y) + 4, 'end', shown(y))),
    text((INSET.left + right) / 2, bottom + 29, 'middle', axis),
    `<polygon class="range" points="${range.join(' ')}"/>`,
    `<polyline class="line" points="${points.map(({ x, middle }) => at(x, middle)).join(' ')}"/>`,
    ...points.map(({ x, middle }) => `<circle class="point" cx="${atX(x)}" cy="${atY(middle)}" r="3"/>`),
    ...limits.map(({ x, atMost }) => `<path class="limit" d="${cross(atX(x), atY(atMost))}"/>`),
  ];
}

/** From 0 to at least `greatest`, in two to five steps of 1, 2 or 5 times a power of ten. */
export function ticks(greatest: number): number[] {
  const power = 10 ** Math.floor(Math.log10(greatest));
  const step = [0.2, 0.5, 1, 2].map((factor) => factor * power).find((size) => greatest / size <= 5) ?? power;
  return Array.from({ length: Math.ceil(greatest / step - 1e-9) + 1 }, (_, index) =>
    Number((index * step).toPrecision(6)),
  );
}

function cross(x: number, y: number): string {
  return `M${x - 4},${y - 4} l8,8 m0,-8 l-8,8`;
}

function text(x: number, y: number, anchor: string, content: string): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}">${escaped(content)}</text>`;
}

function shown(value: number): string {
  return value >= 1_000 ? value.toLocaleString('en-US') : String(value);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
