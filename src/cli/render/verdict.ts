import type { ExitDocument, FailureDocument, VerdictDocument } from '../../control/protocol.ts';
import { fold } from './columns.ts';
import { duration, type Paint, safe } from './style.ts';

/** Green: the release serves. Yellow: undecided. Red: all others, including unknown outcomes of a newer supervisor. */
const COLOURS: ReadonlyMap<string, 'green' | 'yellow'> = new Map([
  ['promoted', 'green'],
  ['in_progress', 'yellow'],
]);

/**
 * A verdict as text: one line, and after a failure the step, the reason, how the process exited and its last output.
 * @param width columns that the reason is folded into; null keeps its lines
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

function headline(verdict: VerdictDocument): string {
  const { outcome, handover, generation, incumbent, label, down, duration_ms } = verdict;
  const named = label === undefined ? '' : ` (${safe(label)})`;
  const what = `${handover === null ? 'reload' : `handover ${handover}`}${named}`;
  const words = outcome === 'in_progress' ? 'is still in progress' : safe(outcome.replaceAll('_', ' '));
  const end = `${what} ${words} after ${duration(duration_ms)}`;
  if (outcome === 'promoted' && generation !== null && generation !== incumbent && incumbent !== null)
    return `${end}: generation ${generation} was promoted; generation ${incumbent} serves now`;
  if (incumbent === null || !isKnownToServe(verdict)) return end;
  return `${end}: ${serving(incumbent, outcome === 'promoted', down)}`;
}

/**
 * A stop also ends the incumbent. If the first generation fails, no other one serves, and the history of a dead
 * supervisor has no `down`.
 */
function isKnownToServe({ outcome, generation, incumbent, down, failure }: VerdictDocument): boolean {
  if (failure?.step === 'stop') return false;
  return outcome === 'promoted' || generation !== incumbent || Boolean(down);
}

function serving(incumbent: number, isNew: boolean, down: VerdictDocument['down']): string {
  if (!down) return isNew ? `generation ${incumbent} serves` : `generation ${incumbent} keeps serving`;
  const { retry_in_ms: retryIn } = down;
  // A first generation has nothing to roll back to, so it may run for a long time without passing its gates.
  if (retryIn === 0) return `no worker of generation ${incumbent} has passed its gates`;
  const next = retryIn === null ? 'is not started again' : `is started again in ${duration(retryIn)}`;
  return `nothing serves: generation ${incumbent} ${next}`;
}

function failureLines(failure: FailureDocument, paint: Paint, width: number | null): string[] {
  const { step, reason, generation, worker, exit, gates = [], output = [] } = failure;
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
    ...gates.flatMap((open, index) => gateLines(open, index === 0 ? 'gate' : '', width)),
    ...(exit === undefined ? [] : [`  exit    ${exitText(exit)}`]),
    ...(output.length === 0
      ? []
      : ['  last output:', ...output.map((line) => paint('faint', `    | ${safe(line)}`))]),
  ];
}

/** Gates that have not passed, with their last failure. */
function gateLines(
  { worker, gate, reason }: NonNullable<FailureDocument['gates']>[number],
  label: string,
  width: number | null,
): string[] {
  const why = reason === null ? 'not passed' : safe(reason);
  const line = `  ${label.padEnd(8)}worker ${worker}, ${safe(gate)}: ${why}`;
  return width === null ? [line] : fold(line, width, ' '.repeat(10));
}

export function exitText({ code, signal, core_dumped }: ExitDocument): string {
  if (code !== undefined) return `exit code ${code}`;
  if (signal !== undefined) return `killed by ${safe(signal)}${core_dumped === true ? ' (core dumped)' : ''}`;
  return 'exit code unknown';
}
