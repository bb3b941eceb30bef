import { bytes, percent } from '../../common/amounts.ts';
import { isInterpreter } from '../../supervisor/instance/default-name.ts';
import type { InstanceState, Overview } from '../instances/overview.ts';
import { columnsOf, startOf } from './columns.ts';
import { type Colour, duration, type Paint, safe, table } from './style.ts';

/** The document of `zero list`. */
export interface ListDocument {
  /** The version of the control protocol. */
  readonly version: number;
  /** The user who ran the command. */
  readonly uid: number;
  readonly instances: readonly Overview[];
}

export interface ListStyle {
  readonly paint: Paint;
  /** Columns of the terminal; null: nothing is cut off. */
  readonly width: number | null;
}

const HEAD = [
  'NAME',
  'USER',
  'STATE',
  'GEN',
  'WORKERS',
  'RESTARTS',
  'CPU',
  'MEMORY',
  'UPTIME',
  'LISTENERS',
  'RELEASE',
];
const USER = HEAD.indexOf('USER');

/** One line for each instance, in columns. The last columns have no fixed width, and are cut off first. */
export function renderList({ uid, instances }: ListDocument, { paint, width }: ListStyle): string {
  if (instances.length === 0) return 'no instance is running\n';
  const hasOthers = instances.some((instance) => instance.uid !== uid);
  const rows = [HEAD, ...instances.map(row)].map((cells) =>
    cells.filter((_, column) => hasOthers || column !== USER),
  );
  const lines = table(rows).map((line, index) => {
    const fitting = width === null || columnsOf(line) <= width ? line : startOf(line, width);
    const instance = instances[index - 1];
    return paint(instance === undefined ? 'bold' : colourOf(instance.state), fitting);
  });
  return `${lines.join('\n')}\n`;
}

function row(overview: Overview): string[] {
  const { name, user, generation, workers, restarts, listeners } = overview;
  return [
    safe(name),
    safe(user),
    stateText(overview),
    generation === null ? '-' : String(generation),
    workers === null ? '-' : `${workers.up}/${workers.total}`,
    restarts === null ? '-' : String(restarts),
    overview.cpu_percent === null ? '-' : percent(overview.cpu_percent),
    overview.memory_bytes === null ? '-' : bytes(overview.memory_bytes),
    overview.uptime_ms === null ? '-' : duration(overview.uptime_ms),
    listeners.length === 0 ? '-' : safe(listeners.map(({ address }) => address).join(' ')),
    safe(releaseText(overview)),
  ];
}

export function stateText({ state, handover }: Overview): string {
  const text = safe(state.replaceAll('_', ' '));
  return state === 'up' && handover !== null ? `${text}, ${safe(handover)}` : text;
}

/** The part of a command that distinguishes releases: for an interpreter the path of its script, not its own. */
function releaseText({ release, problem }: Overview): string {
  if (release === null) return problem ?? '-';
  return isInterpreter(release.path) ? release.directory : release.path;
}

export function colourOf(state: InstanceState): Colour {
  if (state === 'up') return 'green';
  return state === 'starting' || state === 'stopping' || state === 'degraded' ? 'yellow' : 'red';
}
