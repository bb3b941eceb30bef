import type { HistoryDocument } from '../../control/protocol.ts';
import { columnsOf } from './columns.ts';
import { clipped, duration, type Paint, safeDocument, table } from './style.ts';

type Generation = HistoryDocument['generations'][number];
type Handover = NonNullable<HistoryDocument['handovers']>[number];

const WIDTH = 80;
const INDENT = '       ';

/** Columns of a label before the program. */
const MAX_LABEL = 32;

/** `zero history` as text: no line is longer than 80 characters, and the newest entry is last. */
export function renderHistory(document: HistoryDocument, paint: Paint): string {
  const { generations, handovers = [] } = safeDocument(document);
  const without = handovers.filter(({ generation }) => generation === null);
  const shown = [...generations, ...without].sort((one, other) => one.at.localeCompare(other.at));
  if (shown.length === 0) return 'no generation yet\n';
  const head = table([
    ['GEN', 'STARTED', 'OUTCOME', 'HANDOVER', 'SERVED', 'ROLLBACK'],
    ...shown.map((one) => ('rollback' in one ? row(one) : handoverRow(one))),
  ]);
  const lines = head.flatMap((line, index) => {
    const one = shown[index - 1];
    // A release needs the whole width, so it has its own row.
    if (!one) return [paint('bold', line), paint('bold', `${INDENT}RELEASE`)];
    if ('rollback' in one) return [paint(colourOf(one), line), ...details(one, paint)];
    return [paint('yellow', line), ...failureLines(one).map((text) => paint('faint', text))];
  });
  return `${lines.join('\n')}\n`;
}

function row(generation: Generation): string[] {
  const { at, outcome, duration_ms, served_ms, serving, rollback } = generation;
  return [
    String(generation.generation).padStart(3),
    timeOf(at),
    outcome === null ? '-' : outcome.replaceAll('_', ' '),
    handoverText(generation.handover ?? null, duration_ms),
    served_ms === null ? '-' : duration(served_ms) + (serving ? ', serves' : ''),
    rollback.from === null ? 'no' : rollback.from,
  ];
}

/** A handover that ended before it had a generation. */
function handoverRow({ at, outcome, handover, duration_ms }: Handover): string[] {
  return ['  -', timeOf(at), outcome.replaceAll('_', ' '), handoverText(handover, duration_ms), '-', '-'];
}

function timeOf(at: string): string {
  return at.slice(0, 19).replace('T', ' ');
}

/** `4: 1.2s`: the number of a handover and its duration. */
function handoverText(handover: number | null, ms: number | null): string {
  const took = ms === null ? '-' : duration(ms);
  return handover === null ? took : `${handover}: ${took}`;
}

function failureLines({ failure }: Pick<Handover, 'failure'>): string[] {
  return failure === null ? [] : wrapped(`${failure.step}: ${failure.reason}`);
}

/** The release, the reason of a failure, and why a rollback to the generation is impossible. */
function details({ release, rollback_to, failure, rollback }: Generation, paint: Paint): string[] {
  const command = release === null ? [] : [releaseText(release, WIDTH - INDENT.length)];
  const from = rollback_to === null ? [] : [`release of generation ${rollback_to}`];
  // A failure already shows this reason.
  const why = rollback.reason === null || failure !== null ? [] : [`no rollback: ${rollback.reason}`];
  const short = [...command, ...from].map((text) => INDENT + text);
  const long = [...failureLines({ failure }), ...why.flatMap(wrapped)];
  return [...short, ...long].map((line) => paint('faint', line));
}

/** The label, the command, and the directory if the command does not contain it. */
function releaseText(
  { label, path, args, directory }: NonNullable<Generation['release']>,
  width: number,
): string {
  const named = label === undefined ? '' : `${clipped(label, MAX_LABEL)}  `;
  const words = [path, ...args];
  const below = directory === '/' ? directory : `${directory}/`;
  const isSaid = words.some((word) => word === directory || word.startsWith(below));
  const command = `${words.join(' ')}${isSaid ? '' : `  in ${directory}`}`;
  return named + clipped(command, width - columnsOf(named));
}

function wrapped(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= WIDTH)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(INDENT + clipped(word, WIDTH - INDENT.length));
  }
  return lines;
}

function colourOf({ serving, outcome }: Generation): 'green' | 'yellow' | 'faint' {
  if (serving) return 'green';
  return outcome === 'promoted' || outcome === null ? 'faint' : 'yellow';
}
