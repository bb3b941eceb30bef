import type { ExitDocument, FailureDocument, VerdictDocument } from '../../control/protocol.ts';
import { fold } from './fold.ts';
import { duration, type Paint, safe } from './style.ts';

/** Green: it serves. Yellow: not decided. Red: everything else, and what only a newer supervisor knows. */
const COLOURS: ReadonlyMap<string, 'green' | 'yellow'> = new Map([
  ['promoted', 'green'],
  ['in_progress', 'yellow'],
]);

/**
 * A verdict for eyes: one line, and for one that failed the step, the reason, how the process left and what it wrote last.
 * @param width columns that the reason is folded into; null leaves its lines as they are
 */
export function renderVerdict(verdict: VerdictDocument, paint: Paint, width: number | null = null): string {
  const colour = COLOURS.get(verdict.outcome) ?? 'red';
  const lines = [
    paint(colour, headline(verdict)),
    ...(verdict.failure ? failureLines(verdict.failure, paint, width) : []),
    ...(verdict.hook
      ? [paint('yellow', 'the hook that ran afterwards failed'), ...failureLines(verdict.hook, paint, width)]
      : []),
  ];
  return `${lines.join('\n')}\n`;
}

function headline({ outcome, handover, generation, incumbent, down, duration_ms }: VerdictDocument): string {
  const what = handover === null ? 'reload' : `handover ${handover}`;
  const words = outcome === 'in_progress' ? 'is still in progress' : safe(outcome.replaceAll('_', ' '));
  const end = `${what} ${words} after ${duration(duration_ms)}`;
  if (outcome === 'promoted' && generation !== null && generation !== incumbent && incumbent !== null)
    return `${end}: generation ${generation} was promoted; generation ${incumbent} serves now`;
  return incumbent === null ? end : `${end}: ${serving(incumbent, outcome === 'promoted', down)}`;
}

function serving(incumbent: number, isNew: boolean, down: VerdictDocument['down']): string {
  if (!down) return isNew ? `generation ${incumbent} serves` : `generation ${incumbent} keeps serving`;
  const next =
    down.retry_in_ms === null ? 'is not started again' : `is tried again in ${duration(down.retry_in_ms)}`;
  return `nothing serves: generation ${incumbent} ${next}`;
}

function failureLines(failure: FailureDocument, paint: Paint, width: number | null): string[] {
  const { step, reason, generation, worker, exit, output = [] } = failure;
  const who = [
    ...(generation === undefined ? [] : [`generation ${generation}`]),
    ...(worker === undefined ? [] : [`worker ${worker}`]),
  ].join(', ');
  return [
    `  step    ${safe(step)}`,
    ...reason
      .split('\n')
      .map((line, index) => `  ${index === 0 ? 'reason' : '      '}  ${safe(line)}`)
      .flatMap((line) => (width === null ? [line] : fold(line, width, ' '.repeat(10)))),
    ...(who === '' ? [] : [`  in      ${who}`]),
    ...(exit === undefined ? [] : [`  exit    ${exitText(exit)}`]),
    ...(output.length === 0
      ? []
      : ['  last output:', ...output.map((line) => paint('faint', `    | ${safe(line)}`))]),
  ];
}

function exitText({ code, signal, core_dumped }: ExitDocument): string {
  if (code !== undefined) return `exit code ${code}`;
  if (signal !== undefined) return `killed by ${safe(signal)}${core_dumped === true ? ' (core dumped)' : ''}`;
  return 'exit code unknown';
}
