/*
 * `zero list --watch`: one line for each instance, which fits into the terminal. The last event gets the rest of the
 * width. If that is too little, optional columns are omitted and long names are cut.
 */
import { bytes, percent } from '../../common/amounts.ts';
import type { Overview } from '../instances/overview.ts';
import { columnsOf, startOf } from './columns.ts';
import { colourOf, type ListDocument, stateText } from './list.ts';
import { type Colour, clipped, type Paint, safe, seconds, table } from './style.ts';

/** Minimum width of the last event, in columns, as long as another column can be omitted. */
const MIN_EVENT = 30;
/** Minimum width of a name that had to be cut, in columns. */
const MIN_NAME = 12;

interface Column {
  readonly head: string;
  readonly cell: (overview: Overview) => string;
  /** Omitted if there is too little space, the lowest number first. */
  readonly optional?: number;
}

const orDash = <T>(value: T | null, text: (value: T) => string): string =>
  value === null ? '-' : text(value);

const NAME: Column = { head: 'NAME', cell: ({ name }) => safe(name) };
const USER: Column = { head: 'USER', cell: ({ user }) => safe(user), optional: 5 };
const COLUMNS: readonly Column[] = [
  { head: 'STATE', cell: stateText },
  { head: 'GEN', cell: ({ generation }) => orDash(generation, String) },
  {
    head: 'SHARE',
    cell: ({ canary }) => orDash(canary, (share) => `${share.percent} % to ${share.generation}`),
  },
  {
    head: 'WORKERS',
    cell: ({ workers }) => orDash(workers, ({ up, total }) => `${up}/${total}`),
    optional: 4,
  },
  { head: 'RESTARTS', cell: ({ restarts }) => orDash(restarts, String), optional: 3 },
  { head: 'QUEUE', cell: ({ queue }) => orDash(queue, String) },
  { head: 'CPU', cell: ({ cpu_percent }) => orDash(cpu_percent, percent) },
  { head: 'MEMORY', cell: ({ memory_bytes }) => orDash(memory_bytes, bytes) },
  { head: 'UPTIME', cell: ({ uptime_ms }) => orDash(uptime_ms, seconds), optional: 2 },
  {
    head: 'LISTENERS',
    cell: ({ listeners }) => safe(listeners.map(({ address }) => address).join(' ')) || '-',
    optional: 1,
  },
];
const EVENT: Column = { head: 'LAST EVENT', cell: eventText };

/**
 * Lines of at most `width` columns, the heading first. If the terminal does not have space for all, instances with
 * problems come first.
 */
export function renderWatchedList(
  { uid, instances: all }: ListDocument,
  { paint, width, rows }: { readonly paint: Paint; readonly width: number; readonly rows: number },
): string[] {
  if (all.length === 0) return ['no instance is running'];
  // Two rows are for the heading and the cursor.
  const fits = all.length <= rows - 2;
  const instances = all.toSorted((one, other) => place(one, fits) - place(other, fits));
  const hasOthers = instances.some((instance) => instance.uid !== uid);
  const columns = chosen([NAME, ...(hasOthers ? [USER] : []), ...COLUMNS], instances, width);
  return lines([...columns, EVENT], instances).map((line, index) => {
    const fitting = columnsOf(line) <= width ? line : startOf(line, width);
    const instance = instances[index - 1];
    return paint(instance === undefined ? 'bold' : rowColour(instance), fitting);
  });
}

/** Instances that this user may not control are last. */
function place(instance: Overview, fits: boolean): number {
  if (instance.state === 'denied') return 2;
  return fits || rowColour(instance) === 'green' ? 1 : 0;
}

/** The columns before the last event. */
function chosen(all: readonly Column[], instances: readonly Overview[], width: number): readonly Column[] {
  const left = (columns: readonly Column[]) => width - widthOf(columns, instances);
  const dispensable = all
    .filter(({ optional }) => optional !== undefined)
    .sort((one, other) => (one.optional ?? 0) - (other.optional ?? 0));
  let columns = all;
  while (left(columns) < MIN_EVENT) {
    const next = dispensable.shift();
    if (next === undefined) break;
    columns = columns.filter((column) => column !== next);
  }
  const missing = MIN_EVENT - left(columns);
  if (missing <= 0) return columns;
  const longest = widthOf([NAME], instances) - 2;
  const name = Math.max(MIN_NAME, longest - missing);
  return columns.map((column) =>
    column === NAME ? { ...NAME, cell: (overview) => clipped(NAME.cell(overview), name) } : column,
  );
}

/** Width with the spaces that follow. */
function widthOf(columns: readonly Column[], instances: readonly Overview[]): number {
  return Math.max(...lines(columns, instances).map(columnsOf)) + 2;
}

function lines(columns: readonly Column[], instances: readonly Overview[]): string[] {
  const head = columns.map((column) => column.head);
  return table([head, ...instances.map((instance) => columns.map(({ cell }) => cell(instance)))]);
}

/** Why an instance returned no status, or its last event: `3s worker ready`. */
function eventText({ problem, last_event }: Overview): string {
  if (problem !== null) return safe(problem);
  return orDash(last_event ?? null, ({ ms_ago, message }) => `${seconds(ms_ago)} ${safe(message)}`);
}

/** A row that needs attention is not green. */
function rowColour({ state, last_event }: Overview): Colour {
  const colour = colourOf(state);
  return colour === 'green' && last_event?.level === 'error' ? 'yellow' : colour;
}
