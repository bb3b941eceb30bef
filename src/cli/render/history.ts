import type { HistoryDocument } from '../../control/protocol.ts';
import { clipped, duration, type Paint, safe, table } from './style.ts';

type Generation = HistoryDocument['generations'][number];

const WIDTH = 80;
const INDENT = '       ';

/** `zero history` for eyes: no line is longer than 80 characters; what was last is at the end. */
export function renderHistory({ generations }: HistoryDocument, paint: Paint): string {
  if (generations.length === 0) return 'no generation yet\n';
  const head = table([
    ['GEN', 'STARTED', 'OUTCOME', 'HANDOVER', 'SERVED', 'ROLLBACK'],
    ...generations.map(row),
  ]);
  const lines = head.flatMap((line, index) => {
    const generation = generations[index - 1];
    if (!generation) return [paint('bold', line)];
    return [paint(colourOf(generation), line), ...details(generation, paint)];
  });
  return `${lines.join('\n')}\n`;
}

function row({ generation, at, outcome, duration_ms, served_ms, serving, rollback }: Generation): string[] {
  return [
    String(generation).padStart(3),
    at.slice(0, 19).replace('T', ' '),
    outcome === null ? '-' : safe(outcome.replaceAll('_', ' ')),
    duration_ms === null ? '-' : duration(duration_ms),
    served_ms === null ? '-' : duration(served_ms) + (serving ? ', serves' : ''),
    rollback.from === null ? 'no' : safe(rollback.from),
  ];
}

/** What it ran, why it failed, why it cannot be gone back to. */
function details({ release, rollback_to, failure, rollback }: Generation, paint: Paint): string[] {
  const command = release === null ? [] : [[release.path, ...release.args].join(' ')];
  const from = rollback_to === null ? [] : [`release of generation ${rollback_to}`];
  const failed = failure === null ? [] : [`${failure.step}: ${failure.reason}`];
  // The reason of a failure is not said twice.
  const why = rollback.reason === null || failure !== null ? [] : [`no rollback: ${rollback.reason}`];
  const short = [...command, ...from].map((text) => INDENT + clipped(safe(text), WIDTH - INDENT.length));
  const long = [...failed, ...why].flatMap((text) => wrapped(safe(text)));
  return [...short, ...long].map((line) => paint('faint', line));
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
